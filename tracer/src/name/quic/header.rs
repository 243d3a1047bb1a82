//! Which packets does a datagram of QUIC consist of? Those with long headers (RFC 9000 section 17.2), which may share a datagram.

use crate::name::reader::Reader;

/// A version that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 9000.
    One,
    /// RFC 9369.
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Initial,
    /// 0-RTT, Handshake or Retry.
    Other,
    /// Of a version that cannot be read.
    Unknown,
}

/// A packet with a long header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub kind: Kind,
    /// Version 1 where it cannot be read.
    pub version: Version,
    /// The connection id that it is for.
    pub destination: &'a [u8],
    /// Where the packet number begins in `bytes`, which header protection hides.
    pub number_at: usize,
    /// All of it, to the end of its Length.
    pub bytes: &'a [u8],
}

/// Longest connection id of these versions, in bytes.
const LONGEST_ID: usize = 20;

impl Packet<'_> {
    /// A client may clear it only where the server has told it so before (RFC 9287).
    pub fn has_fixed_bit(&self) -> bool {
        self.bytes.first().is_some_and(|first| first & 0x40 != 0)
    }
}

/// The packet that `bytes` begin with, and what is behind it. `None` where there is none with a long header or it is cut off.
pub fn first(bytes: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let mut reader = Reader::new(bytes);
    let first = reader.number(1)?;
    if first & 0x80 == 0 {
        return None;
    }
    // The two bits of the type; version 2 has turned them by one (RFC 9369 section 3.2), so that nobody relies on them.
    let bits = first >> 4 & 3;
    let (version, kind) = match reader.number(4)? {
        // Version negotiation, which only servers send.
        0 => return None,
        1 => (Version::One, Some(bits)),
        0x6b33_43cf => (Version::Two, Some((bits + 3) & 3)),
        _ => (Version::One, None),
    };
    let destination = reader.counted(1)?;
    let source = reader.counted(1)?;
    if destination.len() > LONGEST_ID || source.len() > LONGEST_ID {
        return None;
    }
    let packet = |kind, number_at, bytes| Packet {
        kind,
        version,
        destination,
        number_at,
        bytes,
    };
    // A Retry, and what cannot be read, fill the rest of the datagram.
    let kind = match kind {
        Some(0) => Kind::Initial,
        Some(1 | 2) => Kind::Other,
        Some(_) => return Some((packet(Kind::Other, bytes.len(), bytes), &[])),
        None => return Some((packet(Kind::Unknown, bytes.len(), bytes), &[])),
    };
    if kind == Kind::Initial {
        // The token, by which a server knows a client again.
        let length = reader.variable()?;
        reader.take(usize::try_from(length).ok()?)?;
    }
    let length = usize::try_from(reader.variable()?).ok()?;
    let number_at = bytes.len() - reader.rest().len();
    let (bytes, behind) = bytes.split_at_checked(number_at.checked_add(length)?)?;
    Some((packet(kind, number_at, bytes), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Option<(Kind, Version, usize)>) {
        let found = first(bytes);
        let found = found.map(|(packet, rest)| (packet.kind, packet.version, rest.len()));
        assert_eq!(found, expected, "{bytes:02x?}");
    }

    #[test]
    fn a_packet_ends_where_its_length_says() {
        let one = [0xc0, 0, 0, 0, 1, 2, 7, 7, 1, 8, 1, 9, 2, 5, 5];
        check(&one, Some((Kind::Initial, Version::One, 0)));
        check(&one[..14], None);
        check(
            &[&one[..], &[1, 2, 3]].concat(),
            Some((Kind::Initial, Version::One, 3)),
        );
        let zero_rtt = [0xd0, 0, 0, 0, 1, 0, 0, 1, 5, 6];
        check(&zero_rtt, Some((Kind::Other, Version::One, 1)));
        let handshake = [0xe0, 0, 0, 0, 1, 0, 0, 1, 5, 6];
        check(&handshake, Some((Kind::Other, Version::One, 1)));
        let retry = [0xf0, 0, 0, 0, 1, 0, 0, 1, 5, 6];
        check(&retry, Some((Kind::Other, Version::One, 0)));
    }

    #[test]
    fn version_two_has_other_numbers_for_the_types() {
        let two = |first| [first, 0x6b, 0x33, 0x43, 0xcf, 0, 0, 0, 1, 5, 6];
        check(&two(0xd0), Some((Kind::Initial, Version::Two, 1)));
        check(&two(0xe0), Some((Kind::Other, Version::Two, 3)));
        check(&two(0xf0), Some((Kind::Other, Version::Two, 3)));
        check(&two(0xc0), Some((Kind::Other, Version::Two, 0)));
    }

    #[test]
    fn what_has_no_long_header_of_quic_is_none() {
        check(&[], None);
        check(&[0x40, 0, 0, 0, 1, 0, 0, 0, 0], None);
        check(&[0xc0, 0, 0, 0, 0, 0, 0, 0, 0], None);
        check(&[&[0xc0, 0, 0, 0, 1, 21][..], &[0; 40]].concat(), None);
        check(
            &[0xc0, 0xff, 0, 0, 29, 0, 0, 0, 0],
            Some((Kind::Unknown, Version::One, 0)),
        );
    }
}
