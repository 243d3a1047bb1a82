//! Was a name ever asked for on this machine, or an address ever told? Programs keep answers as long as they like, so nothing of this is
//! forgotten.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use tracer_common::Address;

/// Names and addresses together: at most 5 MB. A phone asks for some thousand names in a month.
pub const MOST: usize = 262_144;

/// What is known of lookups behind a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Somebody asked for the name, or was told the address.
    Found,
    /// Nobody did, as far as was seen.
    None,
    /// There was no room to remember all.
    Unknown,
}

/// By their hashes alone: two of the same are taken for one, and then a lookup is found that was none.
#[derive(Default)]
pub struct Remembered {
    hashes: HashSet<u64>,
    hasher: RandomState,
    is_full: bool,
}

impl Remembered {
    pub fn add_name(&mut self, name: &str) {
        self.add(self.hasher.hash_one(name));
    }

    pub fn add_address(&mut self, address: &Address) {
        self.add(self.hasher.hash_one(address));
    }

    fn add(&mut self, hash: u64) {
        if self.hashes.len() < MOST {
            self.hashes.insert(hash);
        } else {
            self.is_full |= !self.hashes.contains(&hash);
        }
    }

    /// What there is of a name or an address.
    pub fn trace(&self, name: &str, address: &Address) -> Trace {
        let both = [self.hasher.hash_one(name), self.hasher.hash_one(address)];
        if both.iter().any(|hash| self.hashes.contains(hash)) {
            Trace::Found
        } else if self.is_full {
            Trace::Unknown
        } else {
            Trace::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_an_address_is_found_for_good_and_beyond_the_bound_nothing_is_known() {
        let mut remembered = Remembered::default();
        let (one, two) = (Address::mapped(1), Address::mapped(2));
        assert_eq!(remembered.trace("a.example", &one), Trace::None);
        remembered.add_name("a.example");
        remembered.add_address(&one);
        let check = |remembered: &Remembered, nothing| {
            assert_eq!(remembered.trace("a.example", &two), Trace::Found);
            assert_eq!(remembered.trace("b.example", &one), Trace::Found);
            assert_eq!(remembered.trace("b.example", &two), nothing);
        };
        check(&remembered, Trace::None);
        for number in 2..MOST {
            remembered.add_name(&number.to_string());
        }
        check(&remembered, Trace::None);
        // What is there already needs no room.
        remembered.add_name("a.example");
        check(&remembered, Trace::None);
        remembered.add_name("one too many");
        check(&remembered, Trace::Unknown);
        assert_eq!(remembered.hashes.len(), MOST);
    }
}
