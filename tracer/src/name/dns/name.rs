//! How is a name of DNS, in which any byte may be, written as text?

use std::fmt::Write as _;

use simple_dns::Name;

/// The text of a name: see [`Question::name`](super::Question::name).
pub fn text(name: &Name<'_>) -> String {
    let mut text = String::new();
    for label in name.as_bytes() {
        if !text.is_empty() {
            text.push('.');
        }
        for byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(*byte)]),
                0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
                // Writing into a string does not fail.
                _ => {
                    let _ = write!(text, "\\{byte:03}");
                }
            }
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// Most pointers of a name: as many as it may have labels, though those that are written have a few.
const MOST_POINTERS: usize = 127;
/// Longest name in a message, in bytes (RFC 1035 section 2.3.4).
const LONGEST: usize = 255;

/// Where a name that begins at `at` ends; a pointer ends it. `None` where it cannot be read: pointers lead back, to no end of them.
pub fn end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut end = None;
    let (mut pointers, mut length) = (0, 1);
    loop {
        let first = *bytes.get(at)?;
        match first {
            0 => return Some(end.unwrap_or(at + 1)),
            1..=63 => {
                at += 1 + usize::from(first);
                length += 1 + usize::from(first);
            }
            0xc0.. => {
                let target = usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                end.get_or_insert(at + 2);
                pointers += 1;
                if target >= at {
                    return None;
                }
                at = target;
            }
            // Forms of labels that nobody uses.
            _ => return None,
        }
        if pointers > MOST_POINTERS || length > LONGEST {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use simple_dns::Label;

    use super::*;

    fn check(labels: &[&[u8]], expected: &str) {
        let labels: Vec<_> = labels
            .iter()
            .map(|label| Label::new_unchecked(*label))
            .collect();
        assert_eq!(text(&Name::new_with_labels(&labels)), expected);
    }

    #[test]
    fn any_bytes_are_text() {
        check(&[b"WWW", b"example", b"com"], "www.example.com");
        check(&[], ".");
        check(&[b"a.b", b"c\\d"], r"a\.b.c\\d");
        check(&[b"K\xc3\xbcche 1", b"local"], r"k\195\188che\0321.local");
        check(&[b"xn--bcher-kva"], "xn--bcher-kva");
        check(&[b"\0\x7f\""], r#"\000\127""#);
    }

    #[test]
    fn a_name_ends_with_an_empty_label_or_a_pointer() {
        let check = |bytes: &[u8], at, expected| assert_eq!(end(bytes, at), expected);
        check(b"\x03www\0", 0, Some(5));
        check(b"\0", 0, Some(1));
        check(b"\0\x03www\xc0\0", 1, Some(7));
        check(b"\0\xc0\0\xc0\x01", 3, Some(5));
        check(b"\x03ww", 0, None);
        check(b"\x41w", 0, None);
        check(b"\x03www\xc0", 0, None);
        check(b"", 0, None);
        // To itself, forward, and where it cannot be.
        check(b"\xc0\0", 0, None);
        check(b"\xc0\x02\0", 0, None);
        check(b"\x01a\xc0\x09", 0, None);
        // In a circle with a label in it.
        check(b"\x01a\xc0\0", 0, None);
    }

    #[test]
    fn a_name_has_an_end_to_its_pointers_and_letters() {
        let chain = |count: usize| {
            let mut bytes = vec![0];
            bytes.extend((0..count).flat_map(|at| [0xc0, (2 * at).saturating_sub(1) as u8]));
            end(&bytes, bytes.len() - 2)
        };
        assert_eq!(chain(127), Some(255));
        assert_eq!(chain(128), None);
        let letters = |length| end(&[&b"\x01x".repeat(length)[..], b"\0"].concat(), 0);
        assert_eq!(letters(127), Some(255));
        assert_eq!(letters(128), None);
    }
}
