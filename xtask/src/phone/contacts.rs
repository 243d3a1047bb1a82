//! Does `/api/v1/contacts` of a phone show each contact of a day, as the truth has it?
//!
//! The tracer keeps the last 10,000 that ended and counts those that it forgot. A whole day has more, and each of its contacts
//! is accepted on the same phone, so it is read several times a day, and what was said is kept here by the contact's number.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::contact::{Contact, DESTINATIONS, Tally};
use super::differences;
use super::report;

/// Most that a page may have: on an emulated phone each page has its price.
const PAGE: &str = "/api/v1/contacts?limit=1000";
/// Flows of datagrams end seconds after their sockets.
const PATIENCE: Duration = Duration::from_secs(60);
/// What was said so far.
#[derive(Default)]
pub struct Contacts {
    /// By number. Nothing of those that are not of the day, which count for the sum only.
    known: BTreeMap<u64, Option<Said>>,
}

/// What was said last of a contact of the day.
#[derive(PartialEq, Eq, Debug)]
struct Said {
    contact: Contact,
    lives: bool,
}

/// How many contacts there were since the tracer's start: those that live, are kept, and are forgotten.
struct Sum(u64);

impl Contacts {
    /// Reads all pages, and fails where a contact that was counted has never been shown: it was forgotten before it was
    /// read, or there is no page on which it is.
    pub fn read(&mut self, port: u16) -> Result<()> {
        let (mut first, mut after) = (None, String::new());
        loop {
            let body = report::get(port, &format!("{PAGE}{after}")).context("the contacts")?;
            let page = serde_json::from_str(&body).context("a page of contacts")?;
            let (sum, next) = self.take(&page)?;
            // What begins while the pages are read is newer than the first of them, and on none of the others.
            let first = first.get_or_insert(sum);
            let Some(next) = next else {
                return self.is_whole(first);
            };
            after = format!("&after={next}");
        }
    }

    /// Reads until each of the day has ended; where one does not, the comparison will say which.
    pub fn read_to_the_end(&mut self, port: u16) -> Result<()> {
        let start = Instant::now();
        loop {
            self.read(port)?;
            let mut of_the_day = self.known.values().flatten();
            if !of_the_day.any(|said| said.lives) || start.elapsed() > PATIENCE {
                return Ok(());
            }
            sleep(Duration::from_secs(1));
        }
    }

    /// Takes what a page says. Returns the sum, and where the next one begins.
    fn take(&mut self, page: &Value) -> Result<(Sum, Option<String>)> {
        let said = page["contacts"].as_array().context("no contacts")?;
        for said in said {
            let number = said["id"].as_u64().context("a contact without a number")?;
            let contact = Contact::of(said);
            let is_of_the_day = contact.direction == "out"
                && DESTINATIONS
                    .iter()
                    .any(|start| contact.destination.starts_with(start));
            let now = is_of_the_day.then(|| Said {
                contact,
                lives: said["live"] == true,
            });
            if let Some(Some(before)) = self.known.get(&number) {
                ensure!(
                    before.lives || now.as_ref() == Some(before),
                    "contact {number} had ended and is another one now: {before:?}, then {now:?}"
                );
            }
            self.known.insert(number, now);
        }
        let count = |field: &str| page[field].as_u64().with_context(|| format!("no {field}"));
        let sum = count("live")? + count("ended")? + count("forgotten")?;
        Ok((Sum(sum), page["next"].as_str().map(str::to_owned)))
    }

    fn is_whole(&self, sum: &Sum) -> Result<()> {
        let known = self.known.len() as u64;
        ensure!(
            known == sum.0,
            "{known} contacts were shown, by their numbers, and {} were counted",
            sum.0
        );
        Ok(())
    }

    /// How many there are of each that is of the day.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::new();
        for said in self.known.values().flatten() {
            *tally.entry(said.contact.clone()).or_default() += 1;
        }
        tally
    }
}

/// Every contact of the truth, and no other.
pub fn compare(seen: &Tally, truth: &Tally) -> Result<()> {
    differences::none("kinds of contacts", seen, truth, |contact, seen, truth| {
        let [seen, truth] = [seen, truth].map(|count| count.copied().unwrap_or(0));
        format!("{contact}: {seen} instead of {truth}")
    })
}

#[cfg(test)]
mod tests;
