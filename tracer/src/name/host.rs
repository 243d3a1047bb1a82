//! Is a text a host name that may be a destination?

/// Longest host name in text, in bytes: RFC 1035 section 2.3.4, less what only the wire has.
const LONGEST: usize = 253;
/// Longest label, in bytes, by the same section.
const LONGEST_LABEL: usize = 63;

/// The host name that a text is, in lower case and without a dot at its end; `None` where it is none: other letters than those
/// of host names and `_` (which names in use have), an empty or overlong part, or an address in one of its many spellings.
pub fn host(text: &[u8]) -> Option<String> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_name = text.len() <= LONGEST
        && text.split(|byte| *byte == b'.').all(is_label)
        && !text.split(|byte| *byte == b'.').all(is_number);
    let name = str::from_utf8(text).ok().filter(|_| is_name)?;
    Some(name.to_ascii_lowercase())
}

fn is_label(label: &[u8]) -> bool {
    (1..=LONGEST_LABEL).contains(&label.len())
        && label
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether `inet_aton` may take a part of an address for a number: decimal, octal or hexadecimal. Where all parts are numbers
/// it is an address, or no host: no top-level domain is a number (RFC 3696 section 2).
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map(str::to_owned);
        assert_eq!(host(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn a_host_name_is_in_lower_case_and_without_its_last_dot() {
        check("example.com", Some("example.com"));
        check("WWW.Example.COM.", Some("www.example.com"));
        check("localhost", Some("localhost"));
        check("xn--bcher-kva.example", Some("xn--bcher-kva.example"));
        check("_dmarc.a-b.example", Some("_dmarc.a-b.example"));
        check("1.example", Some("1.example"));
        check("web.1", Some("web.1"));
        check("0x.example", Some("0x.example"));
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        let labels = |length| format!("{}.example", "x".repeat(length));
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "a b",
            "a/b",
            "a:1",
            "*.a",
            "bücher",
            "a\0",
            &labels(64),
        ] {
            check(text, None);
        }
        check(&labels(63), Some(&labels(63)));
        let long = |length: usize| [&"a.".repeat(length / 2), "b"].concat();
        check(&long(253), Some(&long(253)));
        check(&format!("{}.", long(253)), Some(&long(253)));
        check(&long(255), None);
        assert_eq!(host(b"\xff.example"), None);
    }

    #[test]
    fn an_address_in_any_spelling_is_no_host_name() {
        for text in [
            "192.0.2.1",
            "192.0.2.1.",
            "127.1",
            "0x7f000001",
            "0X7F.1",
            "0177.0.0.1",
            "2130706433",
            "999.1.1.1",
            "::1",
            "2001:db8::1",
            "[::1]",
            "fe80::1%eth0",
            "::ffff:192.0.2.1",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn a_host_name_is_its_own_host_name(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(name) = host(&text) {
                prop_assert_eq!(host(name.as_bytes()), Some(name));
            }
        }

        #[test]
        fn no_address_is_a_host_name(four: Ipv4Addr, six: Ipv6Addr) {
            prop_assert_eq!(host(four.to_string().as_bytes()), None);
            prop_assert_eq!(host(six.to_string().as_bytes()), None);
        }

        #[test]
        fn letters_of_host_names_make_one(text in "[a-z][a-z0-9_-]{0,62}(\\.[a-z][a-z0-9_-]{0,9}){0,9}") {
            prop_assert_eq!(host(text.as_bytes()), Some(text));
        }
    }
}
