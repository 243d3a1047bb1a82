//! What is in an IP packet, version 4 or 6, and is it a fragment?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip<'a> {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// What the payload is, by the numbers of IANA: 6 TCP, 17 UDP. Of a fragment, what its datagram is; of version 6 that may be a
    /// further header.
    pub protocol: u8,
    pub payload: &'a [u8],
    /// Whether the packet was longer than what was captured.
    pub is_cut: bool,
    pub fragment: Option<Fragment>,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub id: u32,
    /// Where it begins in the payload of its datagram, in bytes.
    pub offset: u16,
    /// Whether others follow it.
    pub more: bool,
}

/// The header of version 6 that makes a packet a fragment.
const FRAGMENT: u8 = 44;

/// The packet that `bytes` begin with; what stands behind its length, as in short frames of Ethernet, is not of it.
pub fn parse(bytes: &[u8]) -> Option<Ip<'_>> {
    match bytes.first()? >> 4 {
        4 => four(bytes),
        6 => six(bytes),
        _ => None,
    }
}

/// RFC 791.
fn four(bytes: &[u8]) -> Option<Ip<'_>> {
    let header: &[u8; 20] = bytes.first_chunk()?;
    let end_of_header = usize::from(header[0] & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // Before a network card cuts a large packet, which is where it is captured, some drivers have 0 there.
    let length = if length == 0 { bytes.len() } else { length };
    if end_of_header < header.len() || length < end_of_header {
        return None;
    }
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let (offset, more) = ((flags & 0x1fff) * 8, flags & 0x2000 != 0);
    Some(Ip {
        source: IpAddr::V4(Ipv4Addr::from(*header[12..].first_chunk::<4>()?)),
        destination: IpAddr::V4(Ipv4Addr::from(*header[16..].first_chunk::<4>()?)),
        protocol: header[9],
        payload: bytes.get(end_of_header..length.min(bytes.len()))?,
        is_cut: length > bytes.len(),
        fragment: (offset > 0 || more).then_some(Fragment {
            id: u32::from(u16::from_be_bytes([header[4], header[5]])),
            offset,
            more,
        }),
    })
}

/// RFC 8200.
fn six(bytes: &[u8]) -> Option<Ip<'_>> {
    let header: &[u8; 40] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let length = match length {
        0 => bytes.len(),
        length => header.len() + length,
    };
    let (protocol, payload) = upper(header[6], bytes.get(header.len()..length.min(bytes.len()))?)?;
    let mut ip = Ip {
        source: IpAddr::V6(Ipv6Addr::from(*header[8..].first_chunk::<16>()?)),
        destination: IpAddr::V6(Ipv6Addr::from(*header[24..].first_chunk::<16>()?)),
        protocol,
        payload,
        is_cut: length > bytes.len(),
        fragment: None,
    };
    if protocol == FRAGMENT {
        let (header, payload) = payload.split_first_chunk::<8>()?;
        let place = u16::from_be_bytes([header[2], header[3]]);
        ip.protocol = header[0];
        ip.payload = payload;
        ip.fragment = Some(Fragment {
            id: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            offset: place & !7,
            more: place & 1 != 0,
        });
    }
    Some(ip)
}

/// The protocol behind the further headers that version 6 may have, and the Authentication Header that both may; a header of
/// a fragment is the last.
pub fn upper(mut protocol: u8, mut payload: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let length = match protocol {
            // Hop-by-hop options, routing, destination options, mobility: in units of eight bytes without the first.
            0 | 43 | 60 | 135 => 8 + usize::from(*payload.get(1)?) * 8,
            // RFC 4302: in units of four bytes without the first two.
            51 => 8 + usize::from(*payload.get(1)?) * 4,
            _ => return Some((protocol, payload)),
        };
        protocol = *payload.first()?;
        payload = payload.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A packet of version 4 with these flags and offset, and four bytes of payload.
    fn version_four(flags: u16, length: u16) -> Vec<u8> {
        let [high, low] = flags.to_be_bytes();
        let [long, short] = length.to_be_bytes();
        vec![
            0x45, 0, long, short, 0x12, 0x34, high, low, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
            b'd', b'a', b't', b'a',
        ]
    }

    /// A packet of version 6 with this payload.
    fn version_six(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, payload.len() as u8, protocol, 64];
        for last in [1, 2] {
            bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn a_packet_ends_where_its_length_says() {
        let check = |bytes: &[u8], payload: &[u8], is_cut| {
            let ip = parse(bytes).expect("a packet");
            assert_eq!((ip.protocol, ip.payload, ip.is_cut), (17, payload, is_cut));
            assert_eq!(ip.fragment, None);
        };
        let four = version_four(0x4000, 24);
        check(&four, b"data", false);
        check(&[&four[..], b"padding"].concat(), b"data", false);
        check(&four[..22], b"da", true);
        check(&version_four(0, 0), b"data", false);
        let six = version_six(17, b"data");
        check(&six, b"data", false);
        check(&[&six[..], b"padding"].concat(), b"data", false);
        check(&six[..42], b"da", true);
        // Hop-by-hop options, then an Authentication Header.
        let headers = [&[51, 0, 0, 0, 0, 0, 0, 0, 17, 1][..], &[0; 10], b"data"].concat();
        check(&version_six(0, &headers), b"data", false);
        assert_eq!(parse(&version_four(0, 19)), None);
        assert_eq!(parse(&four[..19]), None);
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn a_fragment_has_its_place() {
        let check = |bytes: &[u8], id, offset, more| {
            let fragment = Fragment { id, offset, more };
            let ip = parse(bytes).expect("a packet");
            assert_eq!(
                (ip.fragment, ip.protocol, ip.payload),
                (Some(fragment), 17, &b"data"[..])
            );
        };
        check(&version_four(0x2000, 24), 0x1234, 0, true);
        check(&version_four(0x2001, 24), 0x1234, 8, true);
        check(&version_four(0x1fff, 24), 0x1234, 65_528, false);
        let six = |place: [u8; 2]| {
            let header = [17, 0, place[0], place[1], 1, 2, 3, 4];
            version_six(44, &[&header[..], b"data"].concat())
        };
        check(&six([0, 1]), 0x0102_0304, 0, true);
        check(&six([0, 8]), 0x0102_0304, 8, false);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(version in prop::sample::select(vec![0x45_u8, 0x60, 0x4f, 0]), bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            if let Some(ip) = parse(&[&[version], &bytes[..]].concat()) {
                let _ = upper(ip.protocol, ip.payload);
            }
        }
    }
}
