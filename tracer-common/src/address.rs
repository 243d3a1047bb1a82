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

    /// Of either kind of address.
    pub const fn of(ip: core::net::IpAddr) -> Self {
        Self::of_octets(match ip {
            core::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            core::net::IpAddr::V6(ip) => ip.octets(),
        })
    }

    /// The sixteen bytes, in network byte order.
    pub const fn octets(self) -> [u8; 16] {
        zerocopy::transmute!(self.0)
    }

    /// The same, read as four words.
    #[inline]
    pub const fn words(self) -> [u32; 4] {
        self.0
    }

    /// The last four of the bytes as a word: of a v4-mapped address, the address of IPv4.
    #[inline]
    pub const fn last(&self) -> u32 {
        self.0[3]
    }

    /// Whether it is that of no host, of either family (`INADDR_ANY`).
    #[inline]
    pub const fn is_any(&self) -> bool {
        self.0[0] == 0
            && self.0[1] == 0
            && self.0[3] == 0
            && (self.0[2] == 0 || self.0[2] == MAPPED)
    }

    /// Whether it means another host on each interface (RFC 4007): unicast or multicast on a link, or on an interface.
    #[inline]
    pub const fn has_scope(&self) -> bool {
        let first = u32::from_be(self.0[0]);
        first & 0xffc0_0000 == 0xfe80_0000
            || matches!(first & 0xff0f_0000, 0xff01_0000 | 0xff02_0000)
    }

    /// Whether it is an IPv4 address.
    #[inline]
    pub const fn is_mapped(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == MAPPED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    fn of(text: &str) -> Address {
        Address::of_octets(text.parse::<Ipv6Addr>().expect("an address").octets())
    }

    #[test]
    fn what_is_on_a_link_has_a_scope() {
        for text in ["fe80::", "febf:ffff::1", "ff02::fb", "ff12::1", "ff01::1"] {
            assert!(of(text).has_scope(), "{text}");
        }
        for text in [
            "::",
            "::1",
            "fe7f::1",
            "fec0::1",
            "fd00::1",
            "2001:db8::1",
            "ff05::2",
            "ff0e::1",
        ] {
            assert!(!of(text).has_scope(), "{text}");
        }
    }

    #[test]
    fn no_hosts_address_is_known_in_both_families() {
        let own = Address::mapped(u32::from(Ipv4Addr::LOCALHOST).to_be());
        assert!(Address::ANY.is_any() && Address::mapped(0).is_any());
        assert!(!own.is_any() && !of("::1").is_any() && !of("0:0:1::").is_any());
    }
}
