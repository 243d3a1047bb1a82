//! One reading: all contacts that live and that have ended, into the rows.

use std::io;

use tracer_common::DestinationKey;

use super::{
    Book, Pipeline,
    live::{Contact, Live},
    naming::{Missing, Standing},
    programs::Known,
};
use crate::{
    decode,
    kernel::source,
    ledger::Place,
    model::{Destination, Id, Name, Totals},
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
        for missing in &missing {
            if let Some(known) = self.programs.find(missing.key.process) {
                self.book.add_missing(known, missing);
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

    /// Adds numbers of a program at a destination to this reading.
    pub(super) fn add(&mut self, known: &Known, key: &DestinationKey, totals: &Totals) {
        self.add_at(known, place(known, key), totals);
    }

    fn add_at(&mut self, known: &Known, place: Place, totals: &Totals) {
        if let Some(reason) = known.unattributed {
            self.unattributed.now[reason as usize] += totals.connections;
        }
        self.rows
            .add(self.identities.app(known.identity), place, totals);
    }

    /// Adds a contact that lives, once it is decided under which name.
    fn add_live(&mut self, known: &Known, id: &Id, contact: &Contact, now_ns: u64) {
        let key = &contact.record.destination;
        let totals = decode::live(&contact.record, contact.is_open);
        match self.naming.stand(id, contact, now_ns) {
            Standing::Address => self.add(known, key, &totals),
            Standing::Named(name) => {
                self.naming.shown(id, &totals);
                let place = self.place_of_name(known, key, name);
                self.add_at(known, place, &totals);
            }
            Standing::Undecided => {
                let protocol = decode::protocol(key);
                *self
                    .undecided
                    .entry((known.identity, protocol))
                    .or_default() += 1;
            }
        }
    }

    /// Adds one that was shown under its name, and for whose record there was no room.
    fn add_missing(&mut self, known: &Known, missing: &Missing) {
        let place = self.place_of_name(known, &missing.key, missing.name.clone());
        if !missing.is_for_good {
            return self.add_at(known, place, &missing.totals);
        }
        self.retire_at(known, place.clone(), &missing.totals);
        // A row that something retires to in the middle of a reading has it from the next one on.
        let app = self.identities.app(known.identity);
        self.rows.add(app, place, &missing.totals);
    }

    /// The place of what counts under a name.
    pub(super) fn place_of_name(
        &mut self,
        known: &Known,
        key: &DestinationKey,
        name: Name,
    ) -> Place {
        Place {
            company: self.owners.company(&name.text),
            destination: Destination::Named {
                name,
                port: key.port,
            },
            ..place(known, key)
        }
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
