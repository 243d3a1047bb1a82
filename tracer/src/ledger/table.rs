//! How rows are stored, found, and taken out.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use super::beside::Beside;
use crate::model::{Country, Destination, Direction, Protocol, Row, Sums, Totals};

/// Rows in a block: what a snapshot shares with the ledger, and what is copied when a reader still holds it.
const BLOCK: usize = 512;

/// Whose and where: what tells one row from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub identity: u32,
    pub destination: Destination,
    pub company: &'static str,
    pub country: Country,
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
            country: row.country,
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
            && self.country == row.country
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

/// All rows, each by a number that holds until another one is taken out.
pub struct Table {
    blocks: Vec<Arc<Vec<Row>>>,
    beside: Vec<Beside>,
    /// What lives in the reading that is going on, of the rows of which something does.
    living: Vec<Totals>,
    /// Counts readings, the first as 1.
    reading: u32,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            beside: Vec::new(),
            living: Vec::new(),
            reading: 1,
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
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

    /// Something of a row has ended.
    pub fn retire(&mut self, row: usize, totals: &Totals) {
        let (block, beside) = (&mut self.blocks[row / BLOCK], &mut self.beside[row]);
        // Where nothing lives the next reader is shown just this more, and nobody reads now.
        if beside.is_all()
            && let Some(rows) = Arc::get_mut(block)
        {
            rows[row % BLOCK].sums.add(totals);
        } else {
            beside.apart(&block[row % BLOCK].sums).add(totals);
        }
    }

    /// Adds to a row what another one, which was taken out, showed, and what of that has ended.
    pub fn take_over(&mut self, row: usize, shown: &Totals, retired: &Totals) {
        let to = &mut Arc::make_mut(&mut self.blocks[row / BLOCK])[row % BLOCK];
        self.beside[row].apart(&to.sums).add(retired);
        to.sums.add(shown);
        to.open += shown.open;
    }

    /// Begins a reading: nothing lives yet.
    pub fn begin(&mut self) {
        // What lived at once a while ago keeps no room for good.
        let used = self.living.len();
        self.living.clear();
        self.living.shrink_to(2 * used);
        self.reading += 1;
    }

    /// The number of the reading that is going on, or was last.
    pub fn reading(&self) -> u32 {
        self.reading
    }

    /// What lives of a row in this reading.
    pub fn living(&mut self, row: usize) -> &mut Totals {
        let Self {
            beside,
            living,
            reading,
            ..
        } = self;
        let beside = &mut beside[row];
        let place = beside.lives_in(*reading).unwrap_or_else(|| {
            beside.live_at(*reading, living.len());
            living.push(Totals::default());
            living.len() - 1
        });
        &mut living[place]
    }

    /// Ends a reading: has every row show what it has, and tells `look` whose each is. What a reader still holds is copied where it changes.
    ///
    /// A contact that ends between two reads of the kernel is in neither of them for a moment; what is shown must not go down meanwhile.
    pub fn show(&mut self, mut look: impl FnMut(u32, &Totals)) {
        let blocks = self.blocks.iter_mut().zip(self.beside.chunks_mut(BLOCK));
        for (block, beside) in blocks {
            for (number, beside) in beside.iter_mut().enumerate() {
                let retired = beside.retired(&block[number].sums);
                let mut totals = retired;
                if let Some(living) = beside.lives_in(self.reading) {
                    sum(&mut totals, &self.living[living]);
                }
                let before = block[number].totals();
                hold(&mut totals, &before);
                if before != totals {
                    beside.apart(&block[number].sums);
                    let row = &mut Arc::make_mut(block)[number];
                    row.sums = Sums::from(&totals);
                    row.open = totals.open;
                }
                if totals == retired {
                    beside.join();
                }
                look(block[number].identity, &totals);
            }
        }
    }

    pub fn beside(&self, row: usize) -> &Beside {
        &self.beside[row]
    }

    pub fn beside_mut(&mut self, row: usize) -> &mut Beside {
        &mut self.beside[row]
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
            country: place.country,
            direction: place.direction,
            protocol: place.protocol,
            sums: Sums::default(),
            open: 0,
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

    /// Takes a row out, and returns it, what of it has ended, and what lives. The last one gets its number.
    pub fn remove(&mut self, row: usize) -> (Row, Totals, Totals) {
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
        let beside = self.beside.swap_remove(row);
        let living = beside.lives_in(self.reading);
        let living = living.map_or_else(Totals::default, |living| self.living[living]);
        let retired = beside.retired(&removed.sums);
        (removed, retired, living)
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
    use std::collections::HashMap;

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
            country: Country::default(),
            direction: Direction::Out,
            protocol: Protocol::Tcp,
        }
    }

    fn connections(connections: u64) -> Totals {
        Totals {
            connections,
            ..Totals::default()
        }
    }

    proptest! {
        #[test]
        fn each_row_that_was_not_taken_out_is_found_with_what_it_has(
            steps in proptest::collection::vec((0_u8..17, 0_u16..1500), 0..3000),
        ) {
            // Of each row what of it has ended.
            let (mut table, mut there) = (Table::default(), HashMap::new());
            let mut read = Vec::new();
            table.begin();
            for (step, port) in steps {
                match (step, table.find(&place(port))) {
                    (0, _) => {
                        table.show(|_, _| {});
                        read = table.blocks();
                    }
                    (16, _) => read.clear(),
                    (1..8, None) => {
                        let row = table.make(place(port));
                        table.living(row).sent = u64::from(port);
                        table.beside_mut(row).added = u32::from(port);
                        there.insert(port, 0);
                    }
                    (1..8, Some(row)) => {
                        table.retire(row, &connections(u64::from(port)));
                        *there.entry(port).or_default() += u64::from(port);
                    }
                    (_, Some(row)) => {
                        prop_assert_eq!(table.beside(row).added, u32::from(port));
                        let (row, retired, living) = table.remove(row);
                        prop_assert_eq!(Place::of(&row), place(port));
                        prop_assert_eq!(Some(retired.connections), there.remove(&port));
                        prop_assert_eq!(living.sent, u64::from(port));
                    }
                    (_, None) => prop_assert!(!there.contains_key(&port)),
                }
            }
            table.show(|_, _| {});
            prop_assert_eq!(table.len(), there.len());
            prop_assert_eq!(table.blocks().iter().map(|block| block.len()).sum::<usize>(), there.len());
            for (port, ended) in there {
                let row = table.find(&place(port)).expect("it was made");
                let shown = Totals { sent: u64::from(port), ..connections(ended) };
                prop_assert_eq!(table.row(row).totals(), shown);
                prop_assert_eq!(table.living(row).sent, u64::from(port));
                prop_assert_eq!(table.beside(row).added, u32::from(port));
                // What is shown and has not ended is not counted twice.
                table.take_over(row, &connections(2), &connections(1));
                prop_assert_eq!(table.row(row).sums.connections, ended + 2);
                prop_assert_eq!(table.remove(row).1, connections(ended + 1));
            }
        }
    }
}
