//! How are numbers and counted fields read from bytes, one behind another? In network byte order, checked at each step.

/// What has not been read yet.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next bytes, where there are so many.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A big-endian number of `width` bytes, at most eight.
    pub fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.take(width)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }

    /// The bytes behind a number of `width` bytes that says how many they are: a vector of RFC 8446 section 3.4.
    pub fn counted(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.take(usize::try_from(length).ok()?)
    }

    /// A variable-length integer of RFC 9000 section 16.
    pub fn variable(&mut self) -> Option<u64> {
        let first = *self.0.first()?;
        let width = 1 << (first >> 6);
        let number = self.number(width)?;
        // The two bits that tell the width are no part of the number.
        Some(number & (u64::MAX >> (64 - 8 * width + 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_length_integer_is_read_as_the_rfc_shows() {
        let check = |bytes: &[u8], expected| assert_eq!(Reader::new(bytes).variable(), expected);
        // The examples of RFC 9000 appendix A.1.
        check(
            &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
            Some(151_288_809_941_952_652),
        );
        check(&[0x9d, 0x7f, 0x3e, 0x7d], Some(494_878_333));
        check(&[0x7b, 0xbd], Some(15_293));
        check(&[0x25], Some(37));
        check(&[0x40, 0x25], Some(37));
        check(&[0xff; 8], Some((1 << 62) - 1));
        check(&[0x7b], None);
        check(&[], None);
    }

    #[test]
    fn a_field_that_is_cut_off_is_not_read() {
        let check = |bytes: &[u8], expected: Option<&[u8]>| {
            assert_eq!(Reader::new(bytes).counted(2), expected);
        };
        check(&[0, 2, 7, 8, 9], Some(&[7, 8]));
        check(&[0, 0], Some(&[]));
        check(&[0, 2, 7], None);
        check(&[0], None);
    }
}
