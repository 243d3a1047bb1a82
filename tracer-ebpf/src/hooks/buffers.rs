//! Which memory of a program does a call hand over? By `struct iov_iter`, where the kernel's types are known.

use crate::{
    memory::{read, read_at, untagged},
    offsets::{
        DATA_IN_ONE, DATA_IN_SEVERAL, DATA_KIND, DATA_KIND_BITS, DATA_LENGTH, DATA_PLACE,
        DATA_SKIPPED, MESSAGE_DATA,
    },
};

/// Buffers of one call that are looked at.
pub const BUFFERS: u64 = 4;

/// What a call hands over: `struct iov_iter`.
#[derive(Clone, Copy)]
pub struct Data {
    kind: u64,
    /// Address of the buffer, or of a list of such.
    place: u64,
    /// Bytes of the first buffer that have been taken.
    skipped: u64,
    /// Of all buffers that have not been looked at.
    pub length: u64,
}

impl Data {
    #[inline(always)]
    pub fn of(message: u64) -> Self {
        let data = message.wrapping_add(u64::from(MESSAGE_DATA.load()));
        Self {
            kind: u64::from(read::<u8>(data, &DATA_KIND)) & u64::from(DATA_KIND_BITS.load()),
            place: read(data, &DATA_PLACE),
            skipped: read(data, &DATA_SKIPPED),
            length: read(data, &DATA_LENGTH),
        }
    }

    /// Address and length of one of its buffers; none of what is no memory of the program.
    #[inline(always)]
    pub fn buffer(&self, index: u64) -> Option<(u64, u32)> {
        if self.length == 0 {
            return None;
        }
        if self.kind == u64::from(DATA_IN_ONE.load()) {
            let place = untagged(self.place).wrapping_add(self.skipped);
            return (index == 0).then(|| (place, bounded(self.length)));
        }
        if self.kind != u64::from(DATA_IN_SEVERAL.load()) {
            return None;
        }
        // `struct iovec`: address and length, copied into the kernel's memory.
        let [place, length]: [u64; 2] = read_at(self.place.wrapping_add(16 * index));
        let skipped = if index == 0 { self.skipped } else { 0 };
        let length = length.wrapping_sub(skipped);
        let length = if length > self.length {
            self.length
        } else {
            length
        };
        Some((untagged(place).wrapping_add(skipped), bounded(length)))
    }
}

#[inline(always)]
fn bounded(length: u64) -> u32 {
    if length > 1 << 20 {
        1 << 20
    } else {
        length as u32
    }
}
