//! Which bytes does a stream begin with, whose parts arrive in any order, twice, or overlapping?

/// Most parts with gaps between them. What hides a hello on purpose (Chromium does) makes a few dozen.
const MOST_PARTS: usize = 256;

/// The beginning of a stream, up to a limit.
#[derive(Debug)]
pub struct Beginning {
    /// What arrived, at its place; zeros where nothing did.
    bytes: Vec<u8>,
    /// Where something arrived, from and to: in order, neither overlapping nor touching.
    parts: Vec<(usize, usize)>,
    limit: usize,
}

impl Beginning {
    /// Nothing yet. What lies at `limit` bytes and beyond is not kept.
    pub fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            parts: Vec::new(),
            limit,
        }
    }

    /// Takes bytes that stand at an offset. Where some are there already these stay: what came first was acted on first.
    pub fn insert(&mut self, offset: u64, bytes: &[u8]) {
        let Some(from) = usize::try_from(offset).ok().filter(|at| *at < self.limit) else {
            return;
        };
        let bytes = &bytes[..bytes.len().min(self.limit - from)];
        let to = from + bytes.len();
        // Those parts that the new one touches or overlaps become one with it.
        let first = self.parts.partition_point(|part| part.1 < from);
        let behind = self.parts.partition_point(|part| part.0 <= to);
        let is_apart = first == behind;
        if bytes.is_empty() || is_apart && self.parts.len() == MOST_PARTS {
            return;
        }
        if self.bytes.len() < to {
            self.bytes.resize(to, 0);
        }
        let mut at = from;
        let mut joined = (from, to);
        for part in &self.parts[first..behind] {
            if at < part.0 {
                self.bytes[at..part.0].copy_from_slice(&bytes[at - from..part.0 - from]);
            }
            at = at.max(part.1);
            joined = (joined.0.min(part.0), joined.1.max(part.1));
        }
        if at < to {
            self.bytes[at..to].copy_from_slice(&bytes[at - from..]);
        }
        self.parts.splice(first..behind, [joined]);
    }

    /// All bytes from the start to the first gap.
    pub fn bytes(&self) -> &[u8] {
        self.bytes_from(0)
    }

    /// All bytes from an offset to the next gap.
    pub fn bytes_from(&self, offset: usize) -> &[u8] {
        let behind = self.parts.partition_point(|part| part.0 <= offset);
        match self.parts[..behind].last() {
            Some((_, end)) if *end > offset => &self.bytes[offset..*end],
            _ => &[],
        }
    }

    /// Lets the first bytes go, as if the stream began behind them.
    pub fn forget(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.parts.retain_mut(|part| {
            *part = (part.0.saturating_sub(count), part.1.saturating_sub(count));
            part.0 < part.1
        });
    }

    /// Whether nothing is missing up to the limit: no further part changes anything.
    pub fn is_full(&self) -> bool {
        self.bytes().len() == self.limit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_join_in_any_order_and_the_first_of_two_stays() {
        let mut stream = Beginning::new(10);
        let mut check = |offset, bytes: &[u8], expected: &[u8]| {
            stream.insert(offset, bytes);
            assert_eq!(stream.bytes(), expected);
        };
        check(4, b"ef", b"");
        check(0, b"ab", b"ab");
        check(0, b"xx", b"ab");
        check(1, b"xcdxxg", b"abcdefg");
        check(9, b"jxxxx", b"abcdefg");
        check(10, b"x", b"abcdefg");
        check(u64::MAX, b"x", b"abcdefg");
        check(5, b"", b"abcdefg");
        check(0, b"xxxxxxxhixxx", b"abcdefghij");
        assert!(stream.is_full());
    }

    #[test]
    fn a_stream_is_read_from_anywhere_and_forgotten_from_the_start() {
        let mut stream = Beginning::new(10);
        stream.insert(0, b"abc");
        stream.insert(5, b"fgh");
        let check = |stream: &Beginning, offset, expected: &[u8]| {
            assert_eq!(stream.bytes_from(offset), expected, "{offset}");
        };
        check(&stream, 1, b"bc");
        check(&stream, 3, b"");
        check(&stream, 6, b"gh");
        check(&stream, 8, b"");
        check(&stream, 99, b"");
        stream.forget(2);
        check(&stream, 0, b"c");
        check(&stream, 3, b"fgh");
        stream.forget(4);
        check(&stream, 0, b"gh");
        stream.forget(99);
        check(&stream, 0, b"");
        stream.insert(0, b"x");
        check(&stream, 0, b"x");
    }

    #[test]
    fn only_so_many_gaps_are_kept() {
        let mut stream = Beginning::new(10_000);
        for part in 0..1_000 {
            stream.insert(part * 2, b"x");
        }
        assert_eq!(stream.parts.len(), MOST_PARTS);
        stream.insert(1, b"x");
        assert_eq!(stream.bytes(), b"xxx");
    }

    proptest! {
        #[test]
        fn it_is_what_a_plain_array_of_bytes_would_be(
            parts in proptest::collection::vec((0_usize..80, proptest::collection::vec(any::<u8>(), 0..20)), 0..60)
        ) {
            let mut stream = Beginning::new(64);
            let mut plain = [None; 64];
            for (offset, bytes) in parts {
                stream.insert(offset as u64, &bytes);
                for (at, byte) in (offset..64).zip(bytes) {
                    plain[at].get_or_insert(byte);
                }
                let expected: Vec<u8> = plain.iter().map_while(|byte| *byte).collect();
                prop_assert_eq!(stream.bytes(), expected);
                prop_assert!(stream.parts.windows(2).all(|pair| pair[0].1 < pair[1].0));
            }
        }
    }
}
