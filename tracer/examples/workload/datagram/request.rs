//! What the first byte of a datagram asks of the server. All of a datagram is payload, and counted as such.

pub const ECHO: u8 = b'e';
pub const SINK: u8 = b's';
pub const BURST: u8 = b'b';

/// The length of a request for a burst.
pub const BURST_LENGTH: usize = 9;

/// The server shall send this many datagrams, each of `bytes` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    pub datagrams: u32,
    pub bytes: u32,
}

impl Burst {
    pub fn encode(self) -> [u8; BURST_LENGTH] {
        let mut bytes = [BURST; BURST_LENGTH];
        bytes[1..5].copy_from_slice(&self.datagrams.to_le_bytes());
        bytes[5..].copy_from_slice(&self.bytes.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (datagrams, rest) = rest.split_first_chunk()?;
        let (bytes, _) = rest.split_first_chunk()?;
        (*kind == BURST).then(|| Self {
            datagrams: u32::from_le_bytes(*datagrams),
            bytes: u32::from_le_bytes(*bytes),
        })
    }
}

/// A datagram of `bytes` bytes; one without bytes asks for nothing.
pub fn of(kind: u8, bytes: u64) -> Vec<u8> {
    let mut payload = vec![b'.'; bytes as usize];
    if let Some(first) = payload.first_mut() {
        *first = kind;
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_arrives_as_it_was_asked_for() {
        let burst = Burst {
            datagrams: 7,
            bytes: 1200,
        };
        assert_eq!(Burst::decode(&burst.encode()), Some(burst));
    }

    #[test]
    fn a_short_or_strange_request_is_no_burst() {
        assert_eq!(Burst::decode(b"b1234567"), None);
        assert_eq!(Burst::decode(b"e12345678"), None);
    }
}
