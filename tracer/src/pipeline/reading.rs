//! One reading of the kernel's counters into the rows.

use std::io;

use tracer_common::{DestinationKey, map};

use super::{Pipeline, Tally, flows::Open, programs::Known};
use crate::{
    decode,
    ledger::{Identities, Place, Rows},
    model::Totals,
};

/// How many entries each map has.
#[derive(Default)]
pub(super) struct Entries {
    pub destinations: u64,
    pub incoming: u64,
    pub overflow: u64,
    pub connections: u64,
    pub flows: u64,
    pub sockets: u64,
    pub older: u64,
}

impl Pipeline {
    /// All of it; returns the entries of the maps.
    ///
    /// The order matters. `open` was read before the counters: what a flow says of its contact (answered or not) is never
    /// ahead of the count of contacts. The counters of ended connections come before the live ones: a connection that ends in
    /// between is in neither, and comes with the next reading; none is ever in both.
    pub(super) fn read(&mut self, open: &Open) -> io::Result<Entries> {
        self.add_early(&open.totals);
        let [destinations, incoming, overflow] = self.read_destinations()?;
        Ok(Entries {
            destinations,
            incoming,
            overflow,
            connections: self.read_connections()?,
            flows: open.flows,
            sockets: open.sockets,
            older: self.read_older(),
        })
    }

    fn read_destinations(&mut self) -> io::Result<[u64; 3]> {
        let own = self.kernel.own_handle;
        let mut read = Vec::new();
        let Self {
            kernel,
            programs,
            rows,
            identities,
            unattributed,
            ..
        } = self;
        let entries = kernel.destinations(|key, counts| {
            if key.process == own {
                return;
            }
            let totals = decode::totals(counts);
            match programs.find(key.process) {
                Some(known) => add(rows, identities, unattributed, known, key, &totals),
                None => read.push((*key, totals)),
            }
        })?;
        self.add_early(&read);
        Ok(entries)
    }

    fn read_connections(&mut self) -> io::Result<u64> {
        let own = self.kernel.own_handle;
        let mut read = Vec::new();
        let entries = self.kernel.connections(|_, connection| {
            if connection.destination.process == own {
                return;
            }
            let is_open = connection.established_ns != 0
                && connection.flags & map::CONNECTION_NO_CONTACT == 0;
            // A sample of another connection of the same place in memory is none of this one.
            let sampled = connection.sampled_ns == connection.began_ns;
            let totals = Totals {
                open: u64::from(is_open),
                sent: if sampled { connection.sent } else { 0 },
                received: if sampled { connection.received } else { 0 },
                ..Totals::default()
            };
            read.push((connection.destination, totals));
        })?;
        self.add_early(&read);
        Ok(entries)
    }

    /// Adds what was read of programs that may have come meanwhile. One that is not known even now comes with the next
    /// reading: under nobody's name it would have to go away again, and counters do not go down.
    pub(super) fn add_early(&mut self, read: &[(DestinationKey, Totals)]) {
        if !read.is_empty() {
            self.learn();
        }
        let Self {
            programs,
            rows,
            identities,
            unattributed,
            ..
        } = self;
        for (key, totals) in read {
            if let Some(known) = programs.find(key.process) {
                add(rows, identities, unattributed, known, key, totals);
            }
        }
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

pub(super) fn add(
    rows: &mut Rows,
    identities: &Identities,
    unattributed: &mut Tally,
    known: &Known,
    key: &DestinationKey,
    totals: &Totals,
) {
    if let Some(reason) = known.unattributed {
        unattributed.now[reason as usize] += totals.connections;
    }
    rows.add(identities.app(known.identity), place(known, key), totals);
}
