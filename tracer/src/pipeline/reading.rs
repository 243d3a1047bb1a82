//! One reading of the kernel's counters into the rows.

use std::io;

use tracer_common::DestinationKey;

use super::{
    Pipeline, Tally,
    programs::{Known, NAMELESS},
};
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
        let mut unknown = Vec::new();
        let Self {
            kernel,
            programs,
            rows,
            identities,
            unattributed,
            ..
        } = self;
        let own = kernel.own_handle;
        let entries = kernel.destinations(|key, counts| {
            if key.process == own {
                return;
            }
            match programs.find(key.process) {
                Some(known) => add(
                    rows,
                    identities,
                    unattributed,
                    known,
                    key,
                    &decode::totals(counts),
                ),
                None => unknown.push((*key, *counts)),
            }
        })?;
        // Programs that came while the map was being read.
        if !unknown.is_empty() {
            self.learn();
        }
        for (key, counts) in unknown {
            let known = self.programs.find(key.process).unwrap_or(&NAMELESS);
            let Self {
                rows,
                identities,
                unattributed,
                ..
            } = self;
            add(
                rows,
                identities,
                unattributed,
                known,
                &key,
                &decode::totals(&counts),
            );
        }
        Ok(entries)
    }

    fn read_overflow(&mut self) -> io::Result<u64> {
        self.learn();
        let Self {
            kernel,
            programs,
            rows,
            identities,
            unattributed,
            ..
        } = self;
        let own = kernel.own_handle;
        kernel.overflow(|handle, counts| {
            if (*handle == own && own != 0) || counts.connections == 0 {
                return;
            }
            let known = programs.find(*handle).unwrap_or(&NAMELESS);
            let key = DestinationKey {
                process: *handle,
                ..DestinationKey::default()
            };
            add(
                rows,
                identities,
                unattributed,
                known,
                &key,
                &decode::totals(counts),
            );
        })
    }

    fn read_connections(&mut self) -> io::Result<u64> {
        self.learn();
        let Self {
            kernel,
            programs,
            rows,
            identities,
            unattributed,
            ..
        } = self;
        let own = kernel.own_handle;
        kernel.connections(|_, connection| {
            let key = &connection.destination;
            if key.process == own && own != 0 {
                return;
            }
            let known = programs.find(key.process).unwrap_or(&NAMELESS);
            let totals = Totals {
                open: u64::from(connection.established_ns != 0),
                sent: connection.sent,
                received: connection.received,
                ..Totals::default()
            };
            add(rows, identities, unattributed, known, key, &totals);
        })
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
