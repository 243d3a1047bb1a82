//! Where does the socket that a listener makes lead to it?
//!
//! It begins as a copy of the listener. The head of an empty list leads to itself, so the copy's leads to the listener, as long as it is
//! not set up; which heads are when, is each kernel's own. Whichever is left will do.

use std::collections::BTreeSet;

use super::{Offsets, objects::Objects};

/// Leaves it unknown where no head is left.
pub fn measure(objects: &Objects, offsets: &mut Offsets) {
    let of_each = objects
        .streams
        .iter()
        .map(|stream| heads(&stream.copied.bytes, stream.listener_sock));
    let in_all = of_each.reduce(|left, right| &left & &right);
    if let Some(at) = in_all.and_then(|mut heads| heads.pop_first()) {
        offsets.put("TCP_SENT_LIST", at);
    }
}

/// Where a copy of the socket at `listener` leads to the same place in that.
pub fn heads(copy: &[u8], listener: u64) -> BTreeSet<u32> {
    let words = copy.as_chunks::<8>().0.iter().enumerate();
    words
        .map(|(at, word)| (8 * at as u32, u64::from_ne_bytes(*word)))
        .filter(|(at, word)| *word == listener.wrapping_add(u64::from(*at)))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::heads;

    #[test]
    fn a_head_is_a_word_that_leads_to_its_place_in_the_listener() {
        const LISTENER: u64 = 0xffff_8880_0123_4000;
        let mut copy = [0_u8; 64];
        let mut put = |at: usize, word: u64| copy[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        // An empty list: both of its words lead to its first.
        put(16, LISTENER + 16);
        put(24, LISTENER + 16);
        put(40, LISTENER);
        put(48, LISTENER + 48);
        assert_eq!(heads(&copy, LISTENER), [16, 48].into());
        assert!(heads(&copy, LISTENER + 8).is_empty());
        for end in 0..copy.len() {
            assert!(heads(&copy[..end], LISTENER).len() <= 2);
        }
    }
}
