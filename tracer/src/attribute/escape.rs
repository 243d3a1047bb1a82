//! What did a name look like before systemd escaped it?

/// `\x2d` becomes `-`, and so on. What is no escape stays as it is.
pub fn unescape(name: &str) -> String {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        if let [b'\\', b'x', high, low, behind @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            plain.push(high << 4 | low);
            rest = behind;
        } else {
            plain.push(first);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, plain: &str) {
        assert_eq!(unescape(name), plain);
    }

    #[test]
    fn an_escape_is_undone_and_anything_else_is_kept() {
        check("firefox", "firefox");
        check(r"gnome\x2dkeyring\x2dssh", "gnome-keyring-ssh");
        check(r"\x2D\x5c", r"-\");
        check(r"caf\xc3\xa9", "café");
        check(r"bad\xff", "bad\u{fffd}");
        check(r"a\x2", r"a\x2");
        check(r"a\xzz\", r"a\xzz\");
        check("", "");
    }

    proptest! {
        #[test]
        fn any_name_is_taken_and_never_grows_more_than_a_replacement_needs(name in ".*") {
            prop_assert!(unescape(&name).len() <= name.len());
        }
    }
}
