//! An address as keys have it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An IPv6 address in network byte order; IPv4 as v4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2).
///
/// Aligned so that the kernel side copies it in words: with single bytes it would take sixteen loads and sixteen stores.
#[repr(C, align(8))]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Address([u32; 4]);

/// The third word of a v4-mapped address.
const MAPPED: u32 = 0xffff_u32.to_be();

impl Address {
    /// `::`
    pub const ANY: Self = Self([0; 4]);
    /// `::ffff:0.0.0.0`
    pub const ANY_IPV4: Self = Self::mapped(0);

    /// Of an IPv4 address, four bytes in network byte order read as a word.
    #[inline]
    pub const fn mapped(ipv4: u32) -> Self {
        Self([0, 0, MAPPED, ipv4])
    }

    /// Of an IPv6 address in network byte order, read as four words.
    #[inline]
    pub const fn of_words(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// Of an IPv6 address in network byte order.
    pub const fn of_octets(octets: [u8; 16]) -> Self {
        Self(zerocopy::transmute!(octets))
    }

    /// The sixteen bytes, in network byte order.
    pub const fn octets(self) -> [u8; 16] {
        zerocopy::transmute!(self.0)
    }

    /// The last four of them as a word: of a v4-mapped address, the address of IPv4.
    #[inline]
    pub const fn last(&self) -> u32 {
        self.0[3]
    }

    /// Whether it is an IPv4 address.
    #[inline]
    pub const fn is_mapped(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == MAPPED
    }
}
