//! What was folded, remembered for ever in little memory.

use std::hash::{BuildHasher as _, Hash, RandomState};

/// A megabyte, taken when the first one is remembered. By chance one of 200,000 is taken for one of those where 100,000 are
/// remembered, one of 50 where a million are.
const BITS: u64 = 1 << 23;

/// Bits for each. More would fill the memory sooner, fewer would tell less apart.
const PROBES: u64 = 4;

/// A filter of Bloom's. What was remembered is known from then on, without an exception: so a counter that was folded never
/// begins anew under its old labels. What was not is taken for it now and then, and then is folded too: its details are lost,
/// no count.
#[derive(Default)]
pub struct Remembered {
    bits: Vec<u64>,
    hasher: RandomState,
}

impl Remembered {
    pub fn insert(&mut self, item: &impl Hash) {
        self.bits.resize((BITS / 64) as usize, 0);
        for bit in probes(self.hasher.hash_one(item)) {
            self.bits[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    pub fn contains(&self, item: &impl Hash) -> bool {
        !self.bits.is_empty()
            && probes(self.hasher.hash_one(item))
                .all(|bit| self.bits[(bit / 64) as usize] & 1 << (bit % 64) != 0)
    }
}

/// Two halves of one hash are as good as many hashes (Kirsch and Mitzenmacher, 2006).
fn probes(hash: u64) -> impl Iterator<Item = u64> {
    let step = hash >> 32 | 1;
    (0..PROBES).map(move |probe| hash.wrapping_add(probe * step) % BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_remembered_is_known_and_of_the_rest_hardly_any() {
        let mut remembered = Remembered::default();
        assert!(!remembered.contains(&0_u32));
        for item in 0..100_000_u32 {
            remembered.insert(&item);
        }
        assert!((0..100_000_u32).all(|item| remembered.contains(&item)));
        let mistaken = (100_000..200_000_u32).filter(|item| remembered.contains(item));
        // Five in a million are expected.
        assert!(mistaken.count() < 20);
    }
}
