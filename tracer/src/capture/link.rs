//! Where in a captured packet does IP begin? That depends on the link: a number of the list of link types that libpcap has
//! (<https://www.tcpdump.org/linktypes.html>).

/// The bytes from the IP header on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    Ip(&'a [u8]),
    /// The packet is something else: ARP, IS-IS, a frame that is cut off.
    Other,
    /// Nobody here knows such links.
    UnknownLink,
}

/// EtherType, which most links have in one place or another.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Tags of VLANs: 802.1Q, 802.1ad, and what came before that.
const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;

pub fn network(link: u16, bytes: &[u8]) -> Network<'_> {
    let found = match link {
        // BSD's null and OpenBSD's loop: the number of the family, which each system has its own of. IP says its version itself.
        0 | 108 => bytes.get(4..),
        1 => typed(bytes, 12, 14),
        // Raw IP as it is called here and there; IPv4 or IPv6 alone.
        12 | 14 | 101 | 228 | 229 => Some(bytes),
        // Linux "cooked", its versions 1 and 2.
        113 => typed(bytes, 14, 16),
        276 => typed(bytes, 0, 20),
        _ => return Network::UnknownLink,
    };
    found.map_or(Network::Other, Network::Ip)
}

/// IP behind a header that ends at `end` and has the EtherType at `at`, and behind tags of VLANs.
fn typed(bytes: &[u8], at: usize, end: usize) -> Option<&[u8]> {
    let mut kind = number(bytes, at)?;
    let mut rest = bytes.get(end..)?;
    while VLAN.contains(&kind) {
        kind = number(rest, 2)?;
        rest = rest.get(4..)?;
    }
    if kind == PPPOE_SESSION {
        // RFC 2516: six bytes, and the protocol of PPP.
        kind = match number(rest, 6)? {
            0x0021 => IPV4,
            0x0057 => IPV6,
            _ => return None,
        };
        rest = rest.get(8..)?;
    }
    matches!(kind, IPV4 | IPV6).then_some(rest)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(link: u16, header: &[u8], expected: bool) {
        let packet = [header, b"ip"].concat();
        let expected = if expected {
            Network::Ip(b"ip")
        } else {
            Network::Other
        };
        assert_eq!(network(link, &packet), expected, "{link}: {header:02x?}");
    }

    #[test]
    fn ip_is_found_behind_the_header_of_each_link() {
        let ethernet = |rest: &[u8]| [&[0; 12], rest].concat();
        check(1, &ethernet(&[8, 0]), true);
        check(1, &ethernet(&[0x86, 0xdd]), true);
        check(1, &ethernet(&[0x81, 0, 0, 7, 8, 0]), true);
        check(
            1,
            &ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd]),
            true,
        );
        check(
            1,
            &ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0, 0x21]),
            true,
        );
        check(
            1,
            &ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0xc0, 0x21]),
            false,
        );
        check(1, &ethernet(&[8, 6]), false);
        check(1, &ethernet(&[0x81, 0, 0]), false);
        check(0, &[2, 0, 0, 0], true);
        check(108, &[0, 0, 0, 24], true);
        check(113, &[&[0; 14][..], &[8, 0]].concat(), true);
        check(276, &[&[0x86, 0xdd][..], &[0; 18]].concat(), true);
        for link in [12, 14, 101, 228, 229] {
            check(link, &[], true);
        }
        assert_eq!(network(105, &[0; 60]), Network::UnknownLink);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(link in prop::sample::select(vec![0_u16, 1, 101, 108, 113, 276, 9]), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = network(link, &bytes);
        }
    }
}
