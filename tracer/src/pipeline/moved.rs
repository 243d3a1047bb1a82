//! What counts under a name, and is in the exact counters of its address as well: contacts that were shown under the name, and for whose
//! record there was no room.

use std::collections::{HashMap, HashSet};

use tracer_common::DestinationKey;

use crate::{
    ledger::{subtract, sum},
    model::Totals,
};

/// By the key of the exact counter.
#[derive(Default)]
pub struct Moved(HashMap<DestinationKey, Totals>);

impl Moved {
    /// It counts under a name for good.
    pub fn add(&mut self, key: &DestinationKey, totals: &Totals) {
        sum(self.0.entry(*key).or_default(), totals);
    }

    /// Takes it out of exact counters, and what counts so for now. Of a contact it may be under the program's overflow entry instead,
    /// which stands behind all others.
    pub fn take_out<'a>(
        &'a self,
        counters: &mut [(DestinationKey, Totals)],
        for_now: impl Iterator<Item = (&'a DestinationKey, &'a Totals)>,
    ) {
        let mut out = Self::default();
        for (key, totals) in self.0.iter().chain(for_now) {
            out.add(key, totals);
        }
        if out.0.is_empty() {
            return;
        }
        let there: HashSet<_> = counters.iter().map(|(key, _)| *key).collect();
        let keys: Vec<_> = out.0.keys().copied().collect();
        for key in keys.iter().filter(|key| !there.contains(key)) {
            out.settle(key, &mut Totals::default());
        }
        for (key, totals) in counters {
            out.settle(key, totals);
        }
    }

    /// The same of an exact counter that will not be read again.
    pub fn settle(&mut self, key: &DestinationKey, totals: &mut Totals) {
        if let Some(taken) = self.0.remove(key) {
            let rest = subtract(totals, &taken);
            if key.overflow == 0 && rest != Totals::default() {
                self.add(&overflow_of(key), &rest);
            }
        }
    }

    /// A program is gone, with all of its contacts.
    pub fn forget(&mut self, process: u64) {
        self.0.retain(|key, _| key.process != process);
    }
}

fn overflow_of(key: &DestinationKey) -> DestinationKey {
    DestinationKey {
        process: key.process,
        protocol: key.protocol,
        direction: key.direction,
        overflow: 1,
        ..DestinationKey::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> DestinationKey {
        DestinationKey {
            process: 7,
            port,
            ..DestinationKey::default()
        }
    }

    fn totals(connections: u64, sent: u64) -> Totals {
        Totals {
            connections,
            sent,
            ..Totals::default()
        }
    }

    /// Counters by port, 0 for what found no room of its own, and what is left of them.
    fn check(counters: &[(u16, u64)], moved: &[(u16, u64)], expected: &[u64]) {
        let key = |port| {
            if port == 0 {
                overflow_of(&key(1))
            } else {
                key(port)
            }
        };
        let mut all = Moved::default();
        for (port, connections) in moved {
            all.add(&key(*port), &totals(*connections, 10 * connections));
        }
        let of = |(port, count): &(u16, u64)| (key(*port), totals(*count, 10 * count));
        let mut read: Vec<_> = counters.iter().map(of).collect();
        all.take_out(&mut read, std::iter::empty());
        let left: Vec<_> = read.iter().map(|(_, totals)| *totals).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|count| totals(*count, 10 * count))
            .collect();
        assert_eq!(left, expected, "{counters:?} without {moved:?}");
        // One after the other, as a program's last counters are.
        let settled: Vec<_> = counters
            .iter()
            .map(|counter| {
                let (key, mut totals) = of(counter);
                all.settle(&key, &mut totals);
                totals
            })
            .collect();
        if moved
            .iter()
            .all(|(port, _)| counters.iter().any(|(found, _)| found == port))
        {
            assert_eq!(settled, expected, "{counters:?} one by one");
        }
    }

    #[test]
    fn what_is_moved_is_taken_out_once_wherever_it_was_counted() {
        check(&[(1, 5), (2, 5)], &[], &[5, 5]);
        check(&[(1, 5), (2, 5)], &[(1, 2)], &[3, 5]);
        // A part found no room at its destination.
        check(&[(1, 1), (0, 5)], &[(1, 3)], &[0, 3]);
        // So did parts of two.
        check(&[(1, 1), (2, 1), (0, 9)], &[(1, 3), (2, 4)], &[0, 0, 4]);
        // Nothing of it did.
        check(&[(2, 4), (0, 9)], &[(1, 3)], &[4, 6]);
        // What is not there yet is taken out of nobody else's.
        check(&[(2, 4)], &[(1, 3)], &[4]);
    }

    #[test]
    fn what_counts_so_for_now_is_taken_out_once() {
        let moved = Moved::default();
        for _ in 0..2 {
            let mut read = [(key(1), totals(5, 50))];
            let (key, shown) = (key(1), totals(1, 10));
            moved.take_out(&mut read, [(&key, &shown)].into_iter());
            assert_eq!(read[0].1, totals(4, 40));
        }
    }
}
