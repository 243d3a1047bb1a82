//! One reading: all contacts that live and that have ended, into the rows.

use std::io;

use tracer_common::DestinationKey;

use super::{Book, Pipeline, live::Live, programs::Known};
use crate::{decode, ledger::Place, model::Totals};

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
        for (key, totals) in &counters {
            self.add_known(key, totals);
        }
        for contact in live.values() {
            let totals = decode::live(&contact.record, contact.is_open);
            self.add_known(&contact.record.destination, &totals);
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

    /// Adds what was read of a program that is known. One that is not even now comes with the next reading: under nobody's name it
    /// would have to go away again, and counters do not go down.
    fn add_known(&mut self, key: &DestinationKey, totals: &Totals) {
        if let Some(known) = self.programs.find(key.process) {
            self.book.add(known, key, totals);
        }
    }
}

impl Book {
    /// Begins a reading.
    fn begin(&mut self) {
        self.rows.begin();
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
}

pub(super) fn place(known: &Known, key: &DestinationKey) -> Place {
    Place {
        identity: known.identity,
        destination: decode::destination(key),
        direction: decode::direction(key),
        protocol: decode::protocol(key),
    }
}
