//! What is known of so many keys, of which the oldest goes where there is no room for another?

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Values by key, up to a bound.
pub struct Table<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// When each was made; what was removed since stays here until it is its turn.
    order: VecDeque<(u64, K)>,
    made: u64,
    most: usize,
    is_of_use: fn(&V) -> bool,
    /// How many went for want of room that were of use.
    pub dropped: u64,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    /// Room for so many. `is_of_use` says whether anything is lost with one.
    pub fn new(most: usize, is_of_use: fn(&V) -> bool) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            made: 0,
            most,
            is_of_use,
            dropped: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&mut self, key: K) -> Option<&mut V> {
        self.entries.get_mut(&key).map(|(_, value)| value)
    }

    /// The value of a key, which is made where there is none.
    pub fn get_or_make(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&key) {
            self.make_room();
            self.made += 1;
            self.order.push_back((self.made, key));
        }
        let made = self.made;
        let entry = self.entries.entry(key);
        &mut entry.or_insert_with(|| (made, make())).1
    }

    pub fn remove(&mut self, key: K) -> Option<V> {
        self.entries.remove(&key).map(|(_, value)| value)
    }

    fn make_room(&mut self) {
        while self.entries.len() >= self.most
            && let Some((made, key)) = self.order.pop_front()
        {
            if self.entries.get(&key).is_some_and(|entry| entry.0 == made) {
                let gone = self.remove(key);
                self.dropped += u64::from(gone.is_some_and(|gone| (self.is_of_use)(&gone)));
            }
        }
        if self.order.len() >= 2 * self.most {
            let entries = &self.entries;
            self.order
                .retain(|(made, key)| entries.get(key).is_some_and(|entry| entry.0 == *made));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_where_there_is_no_room() {
        let mut table = Table::new(3, |value| *value != 1);
        for key in 0..5 {
            *table.get_or_make(key, || 0) = key;
        }
        assert_eq!(table.dropped, 1);
        let mut check = |key, expected| assert_eq!(table.get(key).copied(), expected, "{key}");
        check(1, None);
        check(2, Some(2));
        check(4, Some(4));
    }

    #[test]
    fn what_was_removed_and_made_again_is_young() {
        let mut table = Table::new(2, |()| true);
        table.get_or_make(1, || ());
        table.get_or_make(2, || ());
        table.remove(1);
        table.get_or_make(1, || ());
        table.get_or_make(3, || ());
        assert!(table.get(1).is_some() && table.get(2).is_none());
        for _ in 0..1_000 {
            table.remove(1);
            table.get_or_make(1, || ());
        }
        assert!(table.order.len() <= 4);
        assert_eq!(table.dropped, 1);
    }
}
