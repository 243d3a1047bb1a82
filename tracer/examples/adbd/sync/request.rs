//! The requests of the `sync` service, and whether they can be believed.

pub const LENGTH: usize = 8;

/// As in the real one.
pub const MAX_PATH: u32 = 1024;

/// The most that one piece of a file may have.
pub const MAX_DATA: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stat,
    List,
    /// A file to the device.
    Send,
    /// A file from the device.
    Receive,
    /// A piece of a file on its way to the device.
    Data,
    /// The end of one; the value is the file's time.
    Done,
    Quit,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    /// How many bytes follow; the time of a file for `Done`.
    pub value: u32,
}

impl Request {
    pub fn decode(bytes: [u8; LENGTH]) -> Self {
        let [a, b, c, d, value @ ..] = bytes;
        let kind = match &[a, b, c, d] {
            b"STAT" => Kind::Stat,
            b"LIST" => Kind::List,
            b"SEND" => Kind::Send,
            b"RECV" => Kind::Receive,
            b"DATA" => Kind::Data,
            b"DONE" => Kind::Done,
            b"QUIT" => Kind::Quit,
            _ => Kind::Unknown,
        };
        Self {
            kind,
            value: u32::from_le_bytes(value),
        }
    }
}

pub fn encode(name: [u8; 4], values: &[u32], payload: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(payload);
    bytes
}

/// `PATH,MODE` of a file to the device; the mode is decimal and has the kind of file in it.
pub fn path_and_mode(text: &str) -> Option<(&str, u32)> {
    let (path, mode) = text.rsplit_once(',')?;
    Some((path, mode.parse().ok()?))
}

/// Who owns a file may what he may, and so may all others: adbd does it like that.
pub fn permissions(mode: u32) -> u32 {
    let mode = mode & 0o777;
    let mode = mode | (mode >> 3 & 0o070);
    mode | (mode >> 3 & 0o007)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_request(bytes: [u8; LENGTH]) {
            let request = Request::decode(bytes);
            prop_assert_eq!(request.value.to_le_bytes(), &bytes[4..]);
        }

        #[test]
        fn any_text_has_a_path_or_none(text: String) {
            if let Some((path, _)) = path_and_mode(&text) {
                prop_assert!(text.starts_with(path));
            }
        }

        #[test]
        fn any_mode_gives_permissions(mode: u32) {
            prop_assert!(permissions(mode) <= 0o777);
        }
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(&encode(*b"SEND", &[7], b""));
        let expected = Request {
            kind: Kind::Send,
            value: 7,
        };
        assert_eq!(Request::decode(bytes), expected);
    }

    #[test]
    fn a_path_may_have_commas() {
        assert_eq!(path_and_mode("/a,b,33261"), Some(("/a,b", 0o100_755)));
        assert_eq!(path_and_mode("/a"), None);
        assert_eq!(path_and_mode("/a,-1"), None);
    }

    #[test]
    fn others_may_what_the_owner_may() {
        assert_eq!(permissions(0o100_755), 0o777);
        assert_eq!(permissions(0o100_644), 0o666);
        assert_eq!(permissions(0o600), 0o666);
        assert_eq!(permissions(0o744), 0o777);
    }
}
