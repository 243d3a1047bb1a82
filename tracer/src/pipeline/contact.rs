//! A contact of the kernel side, as a value.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tracer_common::{
    Address, Record,
    record::{self, ESTABLISHED, LATE, NO_CONTACT},
};

use super::{Pipeline, live::Live, programs::Known};
use crate::{
    decode,
    kernel::source,
    model::{Bypass, Contact, Destination, Detail, Endpoint, Id, Name, Naming, Outcome},
};

/// The numbers of those that were shown while they lived, and by which clock.
#[derive(Default)]
pub struct Seen {
    contacts: HashMap<Id, (u64, Clock)>,
    /// The last number that was given.
    last: u64,
}

impl Seen {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// How far the wall's clock is ahead of the kernel side's, in nanoseconds. It drifts: all moments of a contact are told by the one of
/// when it was first seen.
#[derive(Clone, Copy)]
struct Clock(u64);

impl Clock {
    fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = wall.map_or(0, |since| since.as_nanos() as u64);
        Self(wall.saturating_sub(source::monotonic_ns()))
    }

    /// What is known of a name, by the wall's clock.
    fn told(self, naming: Option<Naming>) -> Option<Arc<Naming>> {
        let mut naming = naming?;
        for candidate in &mut naming.candidates {
            candidate.at = candidate.at.saturating_add(self.0);
        }
        Some(Arc::new(naming))
    }

    /// A moment of the kernel side's clock since the Unix epoch; 0 is none.
    fn wall(self, moment_ns: u64) -> Option<u64> {
        (moment_ns != 0).then(|| moment_ns.saturating_add(self.0))
    }
}

impl Pipeline {
    /// All that live, one by one.
    pub(super) fn live_contacts(&mut self, live: &Live) -> Vec<Contact> {
        let clock = Clock::now();
        let mut before = std::mem::take(&mut self.book.seen.contacts);
        // All at once: what grows step by step leaves its smaller copies behind in the allocator.
        let mut contacts = Vec::with_capacity(live.len());
        self.book.seen.contacts.reserve(live.len());
        for (id, found) in live {
            let Some(known) = self.programs.find(found.record.destination.process) else {
                continue;
            };
            if found.record.flags & NO_CONTACT != 0 {
                continue;
            }
            let seen = before
                .remove(id)
                .unwrap_or_else(|| (self.book.seen.number(), clock));
            self.book.seen.contacts.insert(*id, seen);
            let outcome = if found.record.outcome == ESTABLISHED {
                Outcome::Open
            } else {
                Outcome::Connecting
            };
            let detail = self.book.details.of(known, &found.record);
            let (name, naming) = self.book.naming.of_live(id, &found.record);
            let owner = name
                .as_ref()
                .and_then(|name| self.book.destinations.owner(&name.text));
            contacts.push(Contact {
                owner,
                bypass: self.book.naming.bypass(id, &found.record),
                name,
                naming: seen.1.told(naming),
                ..contact(known, &found.record, seen, (outcome, detail))
            });
        }
        contacts
    }
}

impl super::Book {
    /// One that has ended is kept.
    pub(super) fn keep(
        &mut self,
        known: &Known,
        record: &Record,
        (name, naming, bypass): (Option<Name>, Option<Naming>, Option<Bypass>),
    ) {
        if record.flags & NO_CONTACT != 0 {
            return;
        }
        let seen = self.seen.contacts.remove(&Id::of_record(record));
        let seen = seen.unwrap_or_else(|| (self.seen.number(), Clock::now()));
        let detail = self.details.of(known, record);
        let owner = name
            .as_ref()
            .and_then(|name| self.destinations.owner(&name.text));
        self.contacts.end(Contact {
            owner,
            bypass,
            name,
            naming: seen.1.told(naming),
            ..contact(known, record, seen, (outcome_of(record), detail))
        });
    }
}

/// What became of one that has ended.
fn outcome_of(record: &Record) -> Outcome {
    match (record.outcome, record::reason(record.outcome)) {
        // It found no place to be followed: its end is not known.
        (ESTABLISHED, _) if record.ended_ns == 0 => Outcome::Unknown,
        (ESTABLISHED, _) => Outcome::Closed,
        (_, Some(reason)) => Outcome::Failed(reason as u8),
        (_, None) => Outcome::Unknown,
    }
}

fn contact(
    known: &Known,
    record: &Record,
    (number, clock): (u64, Clock),
    (outcome, detail): (Outcome, Option<Box<Detail>>),
) -> Contact {
    let key = &record.destination;
    // Times at which something was noticed are not those at which it happened.
    let is_exact = record.flags & LATE == 0;
    let established = is_exact
        .then(|| clock.wall(record.established_ns))
        .flatten();
    // Nor is what passed over one whose end is not known.
    let is_followed =
        record.ended_ns != 0 || matches!(outcome, Outcome::Open | Outcome::Connecting);
    let destination = decode::destination(key);
    let remote = match destination {
        Destination::Address { address, .. } => Some(address),
        Destination::Named { .. } | Destination::Other | Destination::Unknown => None,
    };
    Contact {
        identity: known.who.clone(),
        program: known.program.clone(),
        destination,
        local: Endpoint {
            address: address(record.local),
            port: port(record.local_port),
        },
        remote: Endpoint {
            address: remote,
            port: port(record.remote_port),
        },
        namespace: (record.namespace != 0).then_some(record.namespace),
        began: clock.wall(record.began_ns),
        established,
        ended: clock.wall(record.ended_ns),
        outcome,
        detail,
        sent: is_followed.then_some(record.sent),
        received: is_followed.then_some(record.received),
        ..Contact::new(number, decode::direction(key), decode::protocol(key))
    }
}

fn address(address: Address) -> Option<std::net::IpAddr> {
    (!address.is_any()).then(|| decode::ip(address))
}

fn port(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::{super::programs::NAMELESS, *};

    #[test]
    fn of_one_that_found_no_place_neither_end_nor_bytes_are_known() {
        let ended = Record {
            outcome: ESTABLISHED,
            ended_ns: 1,
            sent: 2,
            ..Record::default()
        };
        let said = |record: &Record| {
            let said = contact(
                &NAMELESS,
                record,
                (1, Clock::now()),
                (outcome_of(record), None),
            );
            (said.outcome, said.sent, said.received)
        };
        assert_eq!(said(&ended), (Outcome::Closed, Some(2), Some(0)));
        let unfollowed = Record {
            ended_ns: 0,
            sent: 0,
            ..ended
        };
        assert_eq!(said(&unfollowed), (Outcome::Unknown, None, None));
    }
}
