//! The header of a message of adb's transport protocol, and whether it can be believed.

pub const LENGTH: usize = 24;

/// The most that we take in one message, and what we tell the other side.
pub const MAX_PAYLOAD: u32 = 256 * 1024;

/// From this version on nobody looks at checksums.
pub const VERSION: u32 = 0x0100_0001;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Connect,
    Authenticate,
    Open,
    Okay,
    Write,
    Close,
    /// TLS, for example, which a device has to ask for first.
    Unknown(u32),
}

impl Command {
    pub fn number(self) -> u32 {
        match self {
            Self::Connect => u32::from_le_bytes(*b"CNXN"),
            Self::Authenticate => u32::from_le_bytes(*b"AUTH"),
            Self::Open => u32::from_le_bytes(*b"OPEN"),
            Self::Okay => u32::from_le_bytes(*b"OKAY"),
            Self::Write => u32::from_le_bytes(*b"WRTE"),
            Self::Close => u32::from_le_bytes(*b"CLSE"),
            Self::Unknown(number) => number,
        }
    }

    fn of(number: u32) -> Self {
        match &number.to_le_bytes() {
            b"CNXN" => Self::Connect,
            b"AUTH" => Self::Authenticate,
            b"OPEN" => Self::Open,
            b"OKAY" => Self::Okay,
            b"WRTE" => Self::Write,
            b"CLSE" => Self::Close,
            _ => Self::Unknown(number),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub command: Command,
    /// Of messages about a stream: the sender's number of it.
    pub first: u32,
    /// Of messages about a stream: the receiver's number of it.
    pub second: u32,
    /// Of the payload that follows.
    pub length: u32,
    pub checksum: u32,
}

impl Header {
    pub fn new(command: Command, first: u32, second: u32, payload: &[u8]) -> Self {
        Self {
            command,
            first,
            second,
            length: payload.len() as u32,
            checksum: checksum(payload),
        }
    }

    pub fn encode(self) -> [u8; LENGTH] {
        let command = self.command.number();
        let numbers = [
            command,
            self.first,
            self.second,
            self.length,
            self.checksum,
            !command,
        ];
        let mut bytes = [0; LENGTH];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// None where the bytes are no header, or one of more than we take: what follows cannot be understood then.
    pub fn decode(bytes: &[u8; LENGTH]) -> Option<Self> {
        let mut numbers = [0; 6];
        for (number, place) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = place
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u32::from(*byte));
        }
        let [command, first, second, length, checksum, magic] = numbers;
        (magic == !command && length <= MAX_PAYLOAD).then(|| Self {
            command: Command::of(command),
            first,
            second,
            length,
            checksum,
        })
    }
}

/// The sum of the bytes; adb's sources call it a CRC.
pub fn checksum(payload: &[u8]) -> u32 {
    payload
        .iter()
        .fold(0, |sum: u32, byte| sum.wrapping_add(u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(number: u32, first: u32, second: u32, payload: Vec<u8>) {
            let header = Header::new(Command::of(number), first, second, &payload);
            prop_assert_eq!(header.command.number(), number);
            prop_assert_eq!(Header::decode(&header.encode()), Some(header));
        }

        #[test]
        fn any_bytes_give_a_bounded_header_or_none(bytes: [u8; LENGTH]) {
            if let Some(header) = Header::decode(&bytes) {
                prop_assert!(header.length <= MAX_PAYLOAD);
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let header = Header::new(Command::Write, 1, 2, b"abc");
        assert_eq!(header.checksum, 294);
        let mut bytes = header.encode();
        bytes[20] ^= 1;
        assert_eq!(Header::decode(&bytes), None, "its magic is wrong");
        let mut long = header;
        long.length = MAX_PAYLOAD + 1;
        assert_eq!(Header::decode(&long.encode()), None, "it is too long");
    }
}
