//! How rows are stored, found, and taken out.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use crate::model::{Destination, Direction, Protocol, Row, Totals};

/// Rows in a block: what a snapshot shares with the ledger, and what is copied when a reader still holds it.
const BLOCK: usize = 512;

/// Whose and where: what tells one row from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub identity: u32,
    pub destination: Destination,
    pub company: &'static str,
    pub direction: Direction,
    pub protocol: Protocol,
}

impl Place {
    /// The place of a row.
    pub fn of(row: &Row) -> Self {
        Self {
            identity: row.identity,
            destination: row.destination.clone(),
            company: row.company,
            direction: row.direction,
            protocol: row.protocol,
        }
    }

    /// Whether a row is of this place.
    fn is_of(&self, row: &Row) -> bool {
        self.identity == row.identity
            && self.direction == row.direction
            && self.protocol == row.protocol
            && self.company == row.company
            && self.destination == row.destination
    }

    /// Where it is folded into.
    #[must_use]
    pub fn other(self) -> Self {
        Self {
            destination: Destination::Other,
            ..self
        }
    }

    /// Whether others are folded into it.
    pub fn is_other(&self) -> bool {
        self.destination == Destination::Other
    }
}

/// What is kept of a row that no reader sees.
#[derive(Clone, Copy, Default)]
pub struct Beside {
    /// What has ended, and what programs that are gone have left.
    pub retired: Totals,
    /// What was shown last. A contact that ends between two reads of the kernel is in neither of them for a moment; what is
    /// shown must not go down meanwhile.
    pub shown: Totals,
    /// The last reading in which a program that lives had a counter here, in `~other` one that was folded; 0 for none.
    pub added: u64,
}

/// All rows, each by a number that holds until another one is taken out.
#[derive(Default)]
pub struct Table {
    blocks: Vec<Arc<Vec<Row>>>,
    beside: Vec<Beside>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Table {
    pub fn len(&self) -> usize {
        self.beside.len()
    }

    /// The rows as a reader gets them.
    pub fn blocks(&self) -> Vec<Arc<Vec<Row>>> {
        self.blocks.clone()
    }

    pub fn place(&self, row: usize) -> Place {
        Place::of(self.row(row))
    }

    fn row(&self, row: usize) -> &Row {
        &self.blocks[row / BLOCK][row % BLOCK]
    }

    pub fn totals(&mut self, row: usize) -> &mut Totals {
        &mut Arc::make_mut(&mut self.blocks[row / BLOCK])[row % BLOCK].totals
    }

    pub fn beside(&self, row: usize) -> &Beside {
        &self.beside[row]
    }

    pub fn beside_mut(&mut self, row: usize) -> &mut Beside {
        &mut self.beside[row]
    }

    /// Each row in turn.
    pub fn each(&mut self) -> impl Iterator<Item = (&mut Row, &mut Beside)> {
        let blocks = self.blocks.iter_mut().zip(self.beside.chunks_mut(BLOCK));
        blocks.flat_map(|(block, beside)| Arc::make_mut(block).iter_mut().zip(beside))
    }

    pub fn find(&self, place: &Place) -> Option<usize> {
        let hash = self.hasher.hash_one(place);
        self.index
            .find(hash, |row| place.is_of(self.row(*row as usize)))
            .map(|row| *row as usize)
    }

    /// Makes the row of a place that has none.
    pub fn make(&mut self, place: Place) -> usize {
        let row = self.len();
        let hash = self.hasher.hash_one(&place);
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
            company: place.company,
            direction: place.direction,
            protocol: place.protocol,
            totals: Totals::default(),
        });
        self.beside.push(Beside::default());
        let Self {
            index,
            hasher,
            blocks,
            ..
        } = self;
        index.insert_unique(hash, row as u32, |row| {
            hasher.hash_one(Place::of(
                &blocks[*row as usize / BLOCK][*row as usize % BLOCK],
            ))
        });
        row
    }

    /// Takes a row out. The last one gets its number.
    pub fn remove(&mut self, row: usize) -> (Row, Beside) {
        const THERE: &str = "the row is there, so there is a last one";

        let last = self.len() - 1;
        let hash = self.hasher.hash_one(self.place(row));
        if let Ok(entry) = self
            .index
            .find_entry(hash, |number| *number as usize == row)
        {
            entry.remove();
        }
        let hash = self.hasher.hash_one(self.place(last));
        if let Some(number) = self.index.find_mut(hash, |number| *number as usize == last) {
            *number = row as u32;
        }
        let end = self.blocks.last_mut().expect(THERE);
        let mut removed = Arc::make_mut(end).pop().expect(THERE);
        if end.is_empty() {
            self.blocks.pop();
        }
        if row != last {
            let block = Arc::make_mut(&mut self.blocks[row / BLOCK]);
            std::mem::swap(&mut block[row % BLOCK], &mut removed);
        }
        (removed, self.beside.swap_remove(row))
    }
}

/// Lets no number but `open` be less than it was.
pub fn hold(totals: &mut Totals, before: &Totals) {
    totals.connections = totals.connections.max(before.connections);
    totals.established = totals.established.max(before.established);
    for (count, before) in totals.failed.iter_mut().zip(before.failed) {
        *count = before.max(*count);
    }
    totals.sent = totals.sent.max(before.sent);
    totals.received = totals.received.max(before.received);
}

/// Takes one off the other, as far as it goes. Returns what is left of it.
pub fn subtract(from: &mut Totals, taken: &Totals) -> Totals {
    let mut rest = *taken;
    take(&mut from.connections, &mut rest.connections);
    take(&mut from.established, &mut rest.established);
    for (from, rest) in from.failed.iter_mut().zip(&mut rest.failed) {
        take(from, rest);
    }
    take(&mut from.sent, &mut rest.sent);
    take(&mut from.received, &mut rest.received);
    rest.open = 0;
    rest
}

fn take(from: &mut u64, rest: &mut u64) {
    let taken = (*from).min(*rest);
    *from -= taken;
    *rest -= taken;
}

/// Adds one to the other.
pub fn sum(to: &mut Totals, from: &Totals) {
    to.connections += from.connections;
    to.established += from.established;
    for (to, from) in to.failed.iter_mut().zip(from.failed) {
        *to += from;
    }
    to.open += from.open;
    // What a full queue refused is taken back, maybe from where it was not added.
    to.sent = to.sent.wrapping_add(from.sent);
    to.received = to.received.wrapping_add(from.received);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn place(port: u16) -> Place {
        Place {
            identity: 1,
            destination: Destination::Address {
                address: [192, 0, 2, 1].into(),
                port,
            },
            company: "",
            direction: Direction::Out,
            protocol: Protocol::Tcp,
        }
    }

    proptest! {
        #[test]
        fn each_row_that_was_not_taken_out_is_found_with_what_it_has(
            steps in proptest::collection::vec((any::<bool>(), 0_u16..1500), 0..3000),
        ) {
            let (mut table, mut there) = (Table::default(), HashSet::new());
            for (make, port) in steps {
                match (make, table.find(&place(port))) {
                    (true, None) => {
                        let row = table.make(place(port));
                        table.totals(row).connections = u64::from(port);
                        table.beside_mut(row).added = u64::from(port);
                        there.insert(port);
                    }
                    (false, Some(row)) => {
                        let (row, beside) = table.remove(row);
                        prop_assert_eq!((Place::of(&row), beside.added), (place(port), u64::from(port)));
                        there.remove(&port);
                    }
                    (_, found) => prop_assert_eq!(found.is_some(), there.contains(&port)),
                }
            }
            prop_assert_eq!(table.len(), there.len());
            prop_assert_eq!(table.blocks().iter().map(|block| block.len()).sum::<usize>(), there.len());
            for port in there {
                let row = table.find(&place(port)).expect("it was made");
                prop_assert_eq!(table.totals(row).connections, u64::from(port));
                prop_assert_eq!(table.beside(row).added, u64::from(port));
            }
        }
    }
}
