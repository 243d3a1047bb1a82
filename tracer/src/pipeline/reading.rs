//! One reading of the kernel's counters into the rows.

use std::io;

use tracer_common::DestinationKey;

use super::{Pipeline, Tally, programs::Known};
use crate::{
    decode,
    ledger::{Identities, Place, Rows},
    model::Totals,
};

impl Pipeline {
    /// All of it; returns the entries of the maps: destinations, overflow, connections, older.
    ///
    /// The order matters: the counters of ended connections first, then the live ones. A connection that ends in between
    /// is in neither, and comes with the next reading; none is ever in both.
    pub(super) fn read(&mut self) -> io::Result<[u64; 4]> {
        Ok([
            self.read_destinations()?,
            self.read_overflow()?,
            self.read_connections()?,
            self.read_older(),
        ])
    }

    fn read_destinations(&mut self) -> io::Result<u64> {
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

    fn read_overflow(&mut self) -> io::Result<u64> {
        let own = self.kernel.own_handle;
        let mut read = Vec::new();
        let entries = self.kernel.overflow(|handle, counts| {
            if *handle != own && counts.connections != 0 {
                let key = DestinationKey {
                    process: *handle,
                    ..DestinationKey::default()
                };
                read.push((key, decode::totals(counts)));
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
            // A sample of another connection of the same place in memory is none of this one.
            let sampled = connection.sampled_ns == connection.began_ns;
            let totals = Totals {
                open: u64::from(connection.established_ns != 0),
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
    fn add_early(&mut self, read: &[(DestinationKey, Totals)]) {
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
