//! Was all of a place written that is written while others read?
//!
//! The kernel side changes where a connection counts in place, word by word and without a lock; a reader on another processor may find a
//! part of it.

use crate::DestinationKey;

impl DestinationKey {
    /// A number that tells a place from one that is written over it word by word.
    #[inline]
    pub const fn seal(&self) -> u32 {
        // Word by word, as hashes of text were made once.
        let [first, second, third, fourth]: [u64; 4] = zerocopy::transmute!(*self);
        let seal = first.wrapping_mul(31).wrapping_add(second);
        let seal = seal.wrapping_mul(31).wrapping_add(third);
        let seal = seal.wrapping_mul(31).wrapping_add(fourth);
        (seal ^ (seal >> 32)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use zerocopy::transmute;

    #[test]
    fn a_place_that_is_written_in_part_has_another_seal() {
        let nowhere = DestinationKey {
            process: 7 << 10,
            protocol: 1,
            direction: 1,
            ..DestinationKey::default()
        };
        let whole = DestinationKey {
            process: 9 << 10,
            address: Address::mapped(u32::from_ne_bytes([10, 77, 0, 1])),
            port: 443,
            ..nowhere
        };
        let (before, after): ([u64; 4], [u64; 4]) = (transmute!(nowhere), transmute!(whole));
        for written in 0..=15_u32 {
            let mut part = before;
            for (at, word) in after.iter().enumerate() {
                if written & 1 << at != 0 {
                    part[at] = *word;
                }
            }
            let part: DestinationKey = transmute!(part);
            let is_whole = part == whole;
            assert_eq!(part.seal() == whole.seal(), is_whole, "{written:b}");
            // Nor do those that were there before do for it, of a place or of none.
            assert_eq!(
                part.seal() == nowhere.seal(),
                part == nowhere,
                "{written:b}"
            );
            assert_ne!(part.seal(), !nowhere.seal(), "{written:b}");
        }
    }
}
