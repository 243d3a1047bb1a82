//! What do the headers of TCP and UDP say, and where is the payload?

/// A segment of TCP (RFC 9293).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub source_port: u16,
    pub destination_port: u16,
    /// The number of the first byte of the payload; of a SYN, of itself.
    pub sequence: u32,
    pub is_syn: bool,
    pub is_ack: bool,
    pub payload: &'a [u8],
}

/// A datagram of UDP (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub source_port: u16,
    pub destination_port: u16,
    pub payload: &'a [u8],
}

pub fn segment(bytes: &[u8]) -> Option<Segment<'_>> {
    let header: &[u8; 20] = bytes.first_chunk()?;
    let end = usize::from(header[12] >> 4) * 4;
    if end < header.len() {
        return None;
    }
    Some(Segment {
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        is_syn: header[13] & 2 != 0,
        is_ack: header[13] & 16 != 0,
        payload: bytes.get(end..)?,
    })
}

pub fn datagram(bytes: &[u8]) -> Option<Datagram<'_>> {
    let (header, payload) = bytes.split_first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // 0 says that it is as long as the packet: a jumbogram (RFC 2675), or several that a network card will cut.
    let payload = match length.checked_sub(header.len()) {
        Some(length) => payload.get(..length).unwrap_or(payload),
        None if length == 0 => payload,
        None => return None,
    };
    Some(Datagram {
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        payload,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_payload_of_a_segment_is_behind_its_options() {
        let header = |words: u8, flags| {
            [
                4, 0, 1, 187, 1, 2, 3, 4, 0, 0, 0, 0, words, flags, 0, 0, 0, 0, 0, 0,
            ]
        };
        let expected = Segment {
            source_port: 1024,
            destination_port: 443,
            sequence: 0x0102_0304,
            is_syn: false,
            is_ack: true,
            payload: b"data",
        };
        let check = |header: &[u8], rest: &[u8], expected| {
            assert_eq!(segment(&[header, rest].concat()), expected);
        };
        check(&header(0x50, 0x18), b"data", Some(expected));
        check(&header(0x60, 0x18), b"\x01\x01\x01\0data", Some(expected));
        let syn = Segment {
            is_syn: true,
            is_ack: false,
            payload: b"",
            ..expected
        };
        check(&header(0x50, 2), b"", Some(syn));
        check(&header(0x60, 2), b"abc", None);
        check(&header(0x40, 2), b"", None);
    }

    #[test]
    fn the_payload_of_a_datagram_has_its_length() {
        let check = |length, expected: Option<&[u8]>| {
            let bytes = [&[4, 0, 0, 53, 0, length, 0, 0][..], b"data"].concat();
            let found = datagram(&bytes).map(|datagram| datagram.payload);
            assert_eq!(found, expected, "{length}");
        };
        check(12, Some(b"data"));
        check(10, Some(b"da"));
        check(20, Some(b"data"));
        check(0, Some(b"data"));
        check(7, None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let _ = (segment(&bytes), datagram(&bytes));
        }
    }
}
