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

/// Where a name that begins at `at` ends; a pointer ends it.
pub fn end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + length,
            0xc0.. => return Some(at + 2),
            // Forms of labels that nobody uses.
            _ => return None,
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
        let check = |bytes: &[u8], expected| assert_eq!(end(bytes, 0), expected);
        check(b"\x03www\0", Some(5));
        check(b"\0", Some(1));
        check(b"\x03www\xc0\x0c", Some(6));
        check(b"\x03ww", None);
        check(b"\x41w", None);
        check(b"", None);
    }
}
