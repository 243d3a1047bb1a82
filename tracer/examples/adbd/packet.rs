//! The packets inside a stream of `shell,v2`, which keep stdout, stderr and the exit code apart.

/// The most that one packet may carry. Clients send what they read at once, some ten kilobytes.
const MAX_LENGTH: usize = 1024 * 1024;
pub const HEADER: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stdin,
    Stdout,
    Stderr,
    Exit,
    CloseStdin,
    /// The size of the client's window, for example: there is no terminal to tell it to.
    Unknown(u8),
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Exit => 3,
            Self::CloseStdin => 4,
            Self::Unknown(number) => number,
        }
    }

    fn of(number: u8) -> Self {
        match number {
            0 => Self::Stdin,
            1 => Self::Stdout,
            2 => Self::Stderr,
            3 => Self::Exit,
            4 => Self::CloseStdin,
            _ => Self::Unknown(number),
        }
    }
}

pub fn encode(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.push(kind.number());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// Cuts a stream of bytes, however it arrives, into packets.
#[derive(Default)]
pub struct Packets {
    waiting: Vec<u8>,
}

impl Packets {
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next packet that is complete. An error where one is longer than any may be.
    pub fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, &'static str> {
        let Some((&[kind, a, b, c, d], rest)) = self.waiting.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_LENGTH {
            return Err("a packet of the shell is too long");
        }
        if rest.len() < length {
            return Ok(None);
        }
        let payload = rest[..length].to_vec();
        self.waiting.drain(..HEADER + length);
        Ok(Some((Kind::of(kind), payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packets_are_found_however_the_bytes_arrive(
            sent in vec((any::<u8>(), vec(any::<u8>(), 0..50)), 0..10),
            piece in 1..40_usize,
        ) {
            let bytes: Vec<u8> = sent
                .iter()
                .flat_map(|(kind, payload)| encode(Kind::of(*kind), payload))
                .collect();
            let mut packets = Packets::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(piece) {
                packets.push(piece);
                while let Some((kind, payload)) = packets.next().expect("no packet is too long") {
                    found.push((kind.number(), payload));
                }
            }
            prop_assert_eq!(found, sent);
        }

        #[test]
        fn any_bytes_are_packets_or_wait_or_are_refused(bytes: Vec<u8>) {
            let mut packets = Packets::default();
            packets.push(&bytes);
            let mut used = 0;
            while let Ok(Some((_, payload))) = packets.next() {
                used += HEADER + payload.len();
            }
            prop_assert_eq!(used + packets.waiting.len(), bytes.len());
        }
    }
}
