//! The rows: one for each app at each destination, up to a bound for each app.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use crate::model::{Destination, Direction, Protocol, Row, Totals};

/// Rows in a block: what a snapshot shares with the ledger, and what is copied when a reader still holds it.
const BLOCK: usize = 512;

/// Whose and where: what tells one row from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub identity: u32,
    pub destination: Destination,
    pub direction: Direction,
    pub protocol: Protocol,
}

/// All rows.
pub struct Rows {
    blocks: Vec<Arc<Vec<Row>>>,
    /// Row by row: what programs that are gone have left.
    retired: Vec<Totals>,
    /// Row by row: the bytes last shown. A connection that ends between two reads of the kernel is in neither of them
    /// for a moment; what is shown must not go down meanwhile.
    shown: Vec<(u64, u64)>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Destinations with a row of their own, by app: of contacts begun, and of contacts accepted. Apart, so that strangers
    /// who contact an app do not hide whom it contacts.
    own: HashMap<Arc<str>, [u32; 2]>,
    /// Most of each for one app.
    maximum: u32,
    folded_now: u64,
    folded_retired: u64,
}

impl Rows {
    /// Rows with at most `maximum` destinations for each app; the rest of an app is folded.
    pub fn new(maximum: u32) -> Self {
        Self {
            blocks: Vec::new(),
            retired: Vec::new(),
            shown: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            own: HashMap::new(),
            maximum,
            folded_now: 0,
            folded_retired: 0,
        }
    }

    /// Begins a reading: every row stands at what was retired.
    pub fn begin(&mut self) {
        self.folded_now = 0;
        for (block, retired) in self.blocks.iter_mut().zip(self.retired.chunks(BLOCK)) {
            for (row, retired) in Arc::make_mut(block).iter_mut().zip(retired) {
                row.totals = *retired;
            }
        }
    }

    /// Adds a counter of a program that lives.
    pub fn add(&mut self, app: &Arc<str>, place: Place, totals: &Totals) {
        let (row, folded) = self.find_or_make(app, place);
        self.folded_now += u64::from(folded && totals.connections > 0);
        sum(self.totals(row), totals);
    }

    /// Adds the last counter of a program that is gone.
    pub fn retire(&mut self, app: &Arc<str>, place: Place, totals: &Totals) {
        let (row, folded) = self.find_or_make(app, place);
        self.folded_retired += u64::from(folded && totals.connections > 0);
        sum(&mut self.retired[row], totals);
    }

    /// Ends a reading.
    pub fn finish(&mut self) -> Vec<Arc<Vec<Row>>> {
        for (block, shown) in self.blocks.iter_mut().zip(self.shown.chunks_mut(BLOCK)) {
            for (row, shown) in Arc::make_mut(block).iter_mut().zip(shown) {
                row.totals.sent = row.totals.sent.max(shown.0);
                row.totals.received = row.totals.received.max(shown.1);
                *shown = (row.totals.sent, row.totals.received);
            }
        }
        self.blocks.clone()
    }

    /// Destinations that were folded, once for each program that contacted them.
    pub fn folded(&self) -> u64 {
        self.folded_retired + self.folded_now
    }

    fn totals(&mut self, row: usize) -> &mut Totals {
        &mut Arc::make_mut(&mut self.blocks[row / BLOCK])[row % BLOCK].totals
    }

    /// The row of a place, and whether the place was folded into it.
    fn find_or_make(&mut self, app: &Arc<str>, place: Place) -> (usize, bool) {
        if let Some(row) = self.find(&place) {
            return (row, false);
        }
        if place.destination == Destination::Other {
            return (self.make(place), false);
        }
        let own = &mut self.own.entry(Arc::clone(app)).or_default()[place.direction as usize];
        if *own < self.maximum {
            *own += 1;
            return (self.make(place), false);
        }
        let other = Place {
            destination: Destination::Other,
            ..place
        };
        (self.find(&other).unwrap_or_else(|| self.make(other)), true)
    }

    fn find(&self, place: &Place) -> Option<usize> {
        let hash = self.hasher.hash_one(place);
        self.index
            .find(hash, |row| self.place(*row as usize) == *place)
            .map(|row| *row as usize)
    }

    fn make(&mut self, place: Place) -> usize {
        let row = self.retired.len();
        if row.is_multiple_of(BLOCK) {
            self.blocks.push(Arc::new(Vec::with_capacity(if row == 0 {
                0
            } else {
                BLOCK
            })));
        }
        Arc::make_mut(&mut self.blocks[row / BLOCK]).push(Row {
            identity: place.identity,
            destination: place.destination,
            direction: place.direction,
            protocol: place.protocol,
            totals: Totals::default(),
        });
        self.retired.push(Totals::default());
        self.shown.push((0, 0));
        let Self {
            index,
            hasher,
            blocks,
            ..
        } = self;
        index.insert_unique(hasher.hash_one(place), row as u32, |row| {
            hasher.hash_one(place_of(
                &blocks[*row as usize / BLOCK][*row as usize % BLOCK],
            ))
        });
        row
    }

    fn place(&self, row: usize) -> Place {
        place_of(&self.blocks[row / BLOCK][row % BLOCK])
    }
}

fn place_of(row: &Row) -> Place {
    Place {
        identity: row.identity,
        destination: row.destination,
        direction: row.direction,
        protocol: row.protocol,
    }
}

fn sum(to: &mut Totals, from: &Totals) {
    to.connections += from.connections;
    to.established += from.established;
    for (to, from) in to.failed.iter_mut().zip(from.failed) {
        *to += from;
    }
    to.open += from.open;
    to.sent += from.sent;
    to.received += from.received;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(identity: u32, port: u16) -> Place {
        Place {
            identity,
            destination: Destination::Address {
                address: [192, 0, 2, 1].into(),
                port,
            },
            direction: Direction::Out,
            protocol: Protocol::Tcp,
        }
    }

    fn connections(count: u64) -> Totals {
        Totals {
            connections: count,
            ..Totals::default()
        }
    }

    fn of(rows: &[Arc<Vec<Row>>], destination: Destination) -> Totals {
        let mut found = Totals::default();
        rows.iter()
            .flat_map(|block| block.iter())
            .filter(|row| row.destination == destination)
            .for_each(|row| {
                sum(&mut found, &row.totals);
            });
        found
    }

    #[test]
    fn what_is_retired_stays_and_what_lives_is_added_anew() {
        let (mut rows, app) = (Rows::new(10), Arc::from("curl"));
        rows.retire(&app, place(1, 80), &connections(5));
        for _ in 0..3 {
            rows.begin();
            rows.add(&app, place(1, 80), &connections(2));
            assert_eq!(of(&rows.finish(), place(1, 80).destination).connections, 7);
        }
    }

    #[test]
    fn beyond_the_bound_of_an_app_destinations_are_folded_and_none_is_lost() {
        let (mut rows, app, other) = (Rows::new(2), Arc::from("scanner"), Arc::from("curl"));
        rows.begin();
        for port in 1..=1000 {
            rows.add(&app, place(1, port), &connections(1));
        }
        rows.add(&other, place(2, 80), &connections(1));
        let read = rows.finish();
        assert_eq!(of(&read, Destination::Other).connections, 998);
        assert_eq!(rows.folded(), 998);
        assert_eq!(read.iter().map(|block| block.len()).sum::<usize>(), 4);
    }

    #[test]
    fn a_snapshot_does_not_change_when_the_ledger_goes_on() {
        let (mut rows, app) = (Rows::new(10), Arc::from("curl"));
        rows.begin();
        rows.add(&app, place(1, 80), &connections(1));
        let before = rows.finish();
        rows.begin();
        rows.add(&app, place(1, 80), &connections(9));
        let after = rows.finish();
        assert_eq!(of(&before, place(1, 80).destination).connections, 1);
        assert_eq!(of(&after, place(1, 80).destination).connections, 9);
    }

    #[test]
    fn bytes_never_go_down_while_a_connection_moves_from_live_to_ended() {
        let (mut rows, app) = (Rows::new(10), Arc::from("curl"));
        for (sent, shown) in [(100, 100), (0, 100), (120, 120)] {
            rows.begin();
            rows.add(
                &app,
                place(1, 80),
                &Totals {
                    sent,
                    ..Totals::default()
                },
            );
            assert_eq!(of(&rows.finish(), place(1, 80).destination).sent, shown);
        }
    }

    proptest! {
        #[test]
        fn the_sum_over_all_rows_is_the_sum_of_all_additions(
            entries in proptest::collection::vec((0_u32..5, 0_u16..50, 0_u64..1000, any::<bool>()), 0..300),
            maximum in 0_u32..40,
        ) {
            let mut rows = Rows::new(maximum);
            rows.begin();
            for (identity, port, count, gone) in &entries {
                let app = Arc::from(identity.to_string());
                if *gone {
                    rows.retire(&app, place(*identity, *port), &connections(*count));
                }
            }
            rows.begin();
            for (identity, port, count, gone) in &entries {
                let app = Arc::from(identity.to_string());
                if !gone {
                    rows.add(&app, place(*identity, *port), &connections(*count));
                }
            }
            let read = rows.finish();
            let sum: u64 = read.iter().flat_map(|block| block.iter()).map(|row| row.totals.connections).sum();
            prop_assert_eq!(sum, entries.iter().map(|entry| entry.2).sum::<u64>());
        }
    }
}
