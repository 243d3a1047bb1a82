//! Which name does each contact have that an app makes after it asked Android's resolver itself?

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};

use super::differences;
use super::inside::ZYGOTE;
use super::models::Model;
use super::play::tell;
use super::report;
use crate::android::device::Device;
use crate::android::root::Root;
use crate::series::{Series, series};

/// What apps do, each in a process of its own and one after the other: as whom, how the resolver is asked, for which name, the address that
/// is contacted then, how often, and from where its name is known. Who is contacted by his address has the name that others know.
const PLAY: &str = "
    10101   com.example.app01      list    api.198-18-200-1.example      198.18.200.1     3 lookup
    10102   com.example.app02      host    api.198-18-200-2.example      198.18.200.2     2 lookup
    10103   com.example.app03:push dns     api.198-18-200-3.example      198.18.200.3     2 lookup

    # Of another user, over IPv6, in each way.
    1010104 com.example.app04      list    a.2001-db8-0-c8--4.example    2001:db8:0:c8::4 1 lookup
    1010104 com.example.app04      host    b.2001-db8-0-c8--5.example    2001:db8:0:c8::5 1 lookup
    1010104 com.example.app04      dns     c.2001-db8-0-c8--6.example    2001:db8:0:c8::6 1 lookup

    # Two apps, one address, and each has its own name for it.
    10105   com.example.app05      list    one.198-18-200-7.example      198.18.200.7     2 lookup
    10106   com.example.app06:push list    two.198-18-200-7.example      198.18.200.7     2 lookup

    # One app, one address, two names, one after the other.
    10108   com.example.app08      list    one.198-18-200-8.example      198.18.200.8     2 lookup
    10108   com.example.app08      host    two.198-18-200-8.example      198.18.200.8     1 lookup

    # A name that nobody knows, then somebody by his address, and an address for which others have two names.
    10109   com.example.app09:push list    api.missing.example           198.18.200.9     0 none
    10109   com.example.app09:push literal -                             198.18.200.9     2 none
    10109   com.example.app09:push literal -                             198.18.200.7     1 none

    # One for which somebody else has a name.
    10110   com.example.app10      literal api.198-18-200-1.example      198.18.200.1     2 dns

    # One who does not wait for the answer, and knows an address that the answer would have had.
    10112   com.example.app12      left    late.198-18-200-12.example   198.18.200.12    1 none

    # With Private DNS.
    10111   com.example.app11      list    private.198-18-200-11.example 198.18.200.11    2 lookup
";

/// A line of it.
struct Visit {
    uid: u32,
    process: &'static str,
    how: &'static str,
    name: &'static str,
    address: IpAddr,
    times: u64,
    source: &'static str,
}

/// Where the resolver asks for that last one itself, once: that contact is its own.
const PRIVATE: [&str; 4] = ["dns", "0", "198.19.9.9", "none"];

/// What all have here whom they contact.
const DESTINATIONS: [&str; 3] = ["198.18.200.", "198.19.9.9", "2001:db8:0:c8:"];

/// Values of labels, and how many.
type Counts = BTreeMap<[String; 4], u64>;

/// Has them do that, and compares. Without types the kernel's sockets are not known well enough, and all are shown by their addresses.
pub fn prove(model: &Model, device: &Device, root: Root, port: u16) -> Result<u64> {
    let visits = visits().context("what apps do")?;
    let apps = visits.chunk_by(|one, next| one.process == next.process);
    let lines: Vec<_> = apps.map(line).collect();
    tell(device, root, ZYGOTE, &lines).context("names")?;
    let (contacts, questions) = truth(&visits, model.has_types);
    let metrics = series(&report::get(port, "/metrics").context("names")?);
    let labels = ["app", "user", "destination", "name_source"];
    let seen = counted(&metrics, "tracer_connections_total", labels);
    differences::none("names", &seen, &contacts, say)?;
    let labels = ["app", "user", "destination", "via"];
    let seen = counted(&metrics, "tracer_lookups_total", labels);
    differences::none("lookups", &seen, &questions, say)?;
    Ok(contacts.values().sum())
}

fn visits() -> Option<Vec<Visit>> {
    let lines = PLAY.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(visit).collect()
}

fn visit(line: &'static str) -> Option<Visit> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [uid, process, how, name, address, times, source] = words[..] else {
        return None;
    };
    Some(Visit {
        uid: uid.parse().ok()?,
        process,
        how,
        name,
        address: address.parse().ok()?,
        times: times.parse().ok()?,
        source,
    })
}

/// All that one app does, as the stand-in for the phone's apps takes it.
fn line(visits: &[Visit]) -> String {
    let visit = |visit: &Visit| {
        let to = SocketAddr::new(visit.address, 443);
        format!(" {} {} {to} {} 100 200", visit.how, visit.name, visit.times)
    };
    let all: String = visits.iter().map(visit).collect();
    format!("named {} {}{all}", visits[0].uid, visits[0].process)
}

/// The contacts that they make, and the questions that they are seen to ask.
fn truth(visits: &[Visit], has_types: bool) -> (Counts, Counts) {
    let mut contacts = Counts::from([(PRIVATE.map(str::to_owned), 1)]);
    let mut questions = Counts::new();
    for visit in visits {
        let (app, _) = visit.process.split_once(':').unwrap_or((visit.process, ""));
        let user = (visit.uid / 100_000).to_string();
        let key = |whom: &str, how: &str| [app, &user, whom, how].map(str::to_owned);
        if visit.times > 0 {
            let key = if has_types && visit.source != "none" {
                key(visit.name, visit.source)
            } else {
                key(&visit.address.to_string(), "none")
            };
            *contacts.entry(key).or_default() += visit.times;
        }
        if has_types && visit.how != "literal" {
            *questions.entry(key(visit.name, "dnsproxyd")).or_default() += 1;
        }
    }
    (contacts, questions)
}

/// What a family has of these destinations, without what was accepted there.
fn counted(metrics: &[Series], family: &str, labels: [&str; 4]) -> Counts {
    let mut counts = Counts::new();
    for series in metrics.iter().filter(|series| series.family == family) {
        let whom = series.label("destination");
        let is_here =
            whom.ends_with(".example") || DESTINATIONS.iter().any(|start| whom.starts_with(start));
        if is_here && series.label("direction") != "in" {
            let key = labels.map(|label| series.label(label).to_owned());
            *counts.entry(key).or_default() += series.value;
        }
    }
    counts
}

fn say(key: &[String; 4], seen: Option<&u64>, truth: Option<&u64>) -> String {
    format!("{key:?}: {seen:?} instead of {truth:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apps_do_is_what_is_expected() {
        let visits = visits().expect("lines of seven words");
        let shown = |contacts: &Counts, source: &str| -> u64 {
            let of_it = contacts.iter().filter(|(key, _)| key[3] == source);
            of_it.map(|(_, count)| count).sum()
        };
        let (contacts, questions) = truth(&visits, true);
        let sums = ["lookup", "dns", "none"].map(|source| shown(&contacts, source));
        assert_eq!(sums, [19, 2, 5]);
        assert_eq!(questions.values().sum::<u64>(), 13);
        let (contacts, questions) = truth(&visits, false);
        assert_eq!(shown(&contacts, "none"), 26);
        assert!(questions.is_empty());
    }
}
