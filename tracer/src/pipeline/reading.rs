//! One reading: all contacts that live and that have ended, into the rows.

use std::{io, sync::Arc};

use tracer_common::DestinationKey;

use super::{
    Book, Pipeline,
    live::{Contact, Id, Live},
    naming::Standing,
    programs::Known,
};
use crate::{
    decode,
    kernel::source,
    ledger::Place,
    model::{Destination, Name, Totals},
};

/// How many entries each map has.
#[derive(Default)]
pub(super) struct Entries {
    pub destinations: u64,
    pub overflow: u64,
    pub connections: u64,
    pub flows: u64,
    pub sockets: u64,
    pub older: u64,
}

impl Pipeline {
    /// All of it; returns the entries of the maps, and what lives.
    ///
    /// The order matters: the exact counters, then what lives, then the ring buffer. A contact that ends meanwhile has a record,
    /// which takes it out of those that live. One whose record finds no room may be in neither for a moment, if it ended between
    /// the first two, and comes with the next reading; what is shown does not fall meanwhile. None is ever in two.
    pub(super) fn read(&mut self) -> io::Result<(Entries, Live)> {
        let mut counters = Vec::new();
        let own = self.kernel.own_handle;
        let [destinations, overflow] = self.kernel.destinations(|key, counts| {
            if key.process != own {
                counters.push((*key, decode::totals(counts)));
            }
        })?;
        let mut live = Live::default();
        let connections = self.read_connections(&mut live)?;
        let (flows, sockets) = self.read_flows(Some(&mut live))?;
        self.drain_beside(&mut live);
        // The records of those that have ended since the last reading have been drained.
        self.book.observed.retain(|id| live.contains_key(id));
        self.book.begin();
        let now_ns = source::monotonic_ns();
        for (id, contact) in &live {
            // One of a program that is not known even now comes with the next reading: under nobody's name it would have to go away
            // again, and counters do not go down.
            if let Some(known) = self.programs.find(contact.record.destination.process) {
                self.book.add_live(known, id, contact, now_ns);
            }
        }
        let missing = self.book.naming.missing(&live);
        for (key, name, totals, is_for_good) in &missing {
            if let Some(known) = self.programs.find(key.process) {
                self.book
                    .add_missing(known, key, name, totals, *is_for_good);
            }
        }
        self.book.naming.without_named(&mut counters, &missing);
        for (key, totals) in &counters {
            if let Some(known) = self.programs.find(key.process) {
                self.book.add(known, key, totals);
            }
        }
        let entries = Entries {
            destinations,
            overflow,
            connections,
            flows,
            sockets,
            older: self.read_older(),
        };
        Ok((entries, live))
    }
}

impl Book {
    /// Begins a reading.
    fn begin(&mut self) {
        self.rows.begin();
        self.undecided.clear();
        self.unattributed.now = Default::default();
    }

    /// Adds what lives to this reading.
    pub(super) fn add(&mut self, known: &Known, key: &DestinationKey, totals: &Totals) {
        if let Some(reason) = known.unattributed {
            self.unattributed.now[reason as usize] += totals.connections;
        }
        let app = self.identities.app(known.identity);
        self.rows.add(app, place(known, key), totals);
    }

    /// Adds a contact that lives, once it is decided under which name.
    fn add_live(&mut self, known: &Known, id: &Id, contact: &Contact, now_ns: u64) {
        let key = &contact.record.destination;
        let totals = decode::live(&contact.record, contact.is_open);
        let name = match self.naming.stand(id, contact, now_ns) {
            Standing::Address => return self.add(known, key, &totals),
            Standing::Named(name) => name,
            Standing::Undecided => {
                *self
                    .undecided
                    .entry((known.identity, decode::protocol(key)))
                    .or_default() += 1;
                return;
            }
        };
        self.naming.shown(id, &totals);
        if let Some(reason) = known.unattributed {
            self.unattributed.now[reason as usize] += totals.connections;
        }
        let company = self.owners.company(&name.text);
        let app = self.identities.app(known.identity);
        self.rows
            .add(app, named(known, key, (name, company)), &totals);
    }

    /// Adds one that was shown under its name, and whose record there was no room for.
    fn add_missing(
        &mut self,
        known: &Known,
        key: &DestinationKey,
        name: &Name,
        totals: &Totals,
        is_for_good: bool,
    ) {
        let app = Arc::clone(self.identities.app(known.identity));
        let company = self.owners.company(&name.text);
        let place = named(known, key, (name.clone(), company));
        if is_for_good {
            self.rows.retire(&app, place.clone(), totals);
        }
        self.rows.add(&app, place, totals);
    }
}

/// The place of what counts under a name.
pub(super) fn named(
    known: &Known,
    key: &DestinationKey,
    (name, company): (Name, &'static str),
) -> Place {
    Place {
        company,
        destination: Destination::Named {
            name,
            port: key.port,
        },
        ..place(known, key)
    }
}

pub(super) fn place(known: &Known, key: &DestinationKey) -> Place {
    Place {
        identity: known.identity,
        destination: decode::destination(key),
        company: "",
        direction: decode::direction(key),
        protocol: decode::protocol(key),
    }
}
