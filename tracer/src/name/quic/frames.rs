//! Which bytes of the handshake are in an Initial? Those of its CRYPTO frames, among the few others that it may have (RFC 9000
//! section 12.4).

use crate::name::reader::Reader;

/// Calls `each` with every piece of the handshake and its offset, up to a frame that no Initial has or that is cut off.
pub fn crypto(payload: &[u8], mut each: impl FnMut(u64, &[u8])) {
    let mut reader = Reader::new(payload);
    while let Some(()) = frame(&mut reader, &mut each) {}
}

fn frame(reader: &mut Reader<'_>, each: &mut impl FnMut(u64, &[u8])) -> Option<()> {
    match reader.number(1)? {
        // PADDING, PING.
        0 | 1 => {}
        kind @ (2 | 3) => acknowledgement(reader, kind == 3)?,
        // CRYPTO.
        6 => {
            let offset = reader.variable()?;
            let length = usize::try_from(reader.variable()?).ok()?;
            each(offset, reader.take(length)?);
        }
        _ => return None,
    }
    Some(())
}

/// ACK, section 19.3: the largest number, the delay, how many ranges follow the first, and the ranges.
fn acknowledgement(reader: &mut Reader<'_>, has_counts: bool) -> Option<()> {
    let (_largest, _delay) = (reader.variable()?, reader.variable()?);
    let ranges = reader.variable()?;
    let _first = reader.variable()?;
    for _ in 0..ranges {
        let (_gap, _range) = (reader.variable()?, reader.variable()?);
    }
    if has_counts {
        for _ in 0..3 {
            reader.variable()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &[u8], expected: &[(u64, &[u8])]) {
        let mut found = Vec::new();
        crypto(payload, |offset, bytes| {
            found.push((offset, bytes.to_vec()));
        });
        let expected: Vec<_> = expected
            .iter()
            .map(|(at, bytes)| (*at, bytes.to_vec()))
            .collect();
        assert_eq!(found, expected, "{payload:02x?}");
    }

    #[test]
    fn pieces_of_the_handshake_are_found_among_other_frames() {
        check(&[6, 0, 2, b'a', b'b'], &[(0, b"ab")]);
        check(&[0, 0, 1, 6, 0x41, 0, 1, b'x', 0, 1], &[(256, b"x")]);
        let ack = [2, 9, 0, 1, 0, 1, 1];
        check(&[&ack[..], &[6, 0, 1, b'a']].concat(), &[(0, b"a")]);
        let ack = [3, 9, 0, 0, 0, 1, 1, 1];
        check(&[&ack[..], &[6, 0, 1, b'a']].concat(), &[(0, b"a")]);
        check(&[6, 1, 1, b'b', 6, 0, 1, b'a'], &[(1, b"b"), (0, b"a")]);
    }

    #[test]
    fn what_is_behind_a_strange_frame_is_not_read() {
        check(&[6, 0, 1, b'a', 8, 6, 1, 1, b'b'], &[(0, b"a")]);
        check(&[6, 0, 3, b'a'], &[]);
        check(&[2, 9, 0, 0xff, 6, 0, 1, b'a'], &[]);
        check(&[0x1c, 0, 0, 0], &[]);
        check(&[], &[]);
    }
}
