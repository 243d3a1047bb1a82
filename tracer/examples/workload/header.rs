//! The first bytes of a connection: how the server shall behave on it. They are payload, and counted as such.

/// Tells a header from a stranger's data, which is read to its end and not answered.
const MAGIC: [u8; 4] = *b"wkl1";
pub const LENGTH: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Send once `upload` bytes are here; read to the end; close.
    Answer,
    /// Read to the end; send; close.
    AnswerAtEnd,
    /// Send and end this direction, reading all the while; close at the other's end.
    SpeakFirst,
    /// Send; reset once `upload` bytes are here, with which the client says that it has everything.
    Reset,
    /// Read nothing until the client is gone.
    Ignore,
}

const BEHAVIOURS: [Behaviour; 5] = [
    Behaviour::Answer,
    Behaviour::AnswerAtEnd,
    Behaviour::SpeakFirst,
    Behaviour::Reset,
    Behaviour::Ignore,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub behaviour: Behaviour,
    /// Bytes that follow from the client.
    pub upload: u64,
    /// Bytes that the server shall send.
    pub download: u64,
}

impl Header {
    pub fn encode(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&(self.behaviour as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.upload.to_le_bytes());
        bytes[16..].copy_from_slice(&self.download.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; LENGTH]) -> Option<Self> {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let behaviour = BEHAVIOURS.get((number(0) >> 32) as usize)?;
        (bytes[..4] == MAGIC).then(|| Self {
            behaviour: *behaviour,
            upload: number(8),
            download: number(16),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_arrives_as_it_was_sent() {
        for behaviour in BEHAVIOURS {
            let header = Header {
                behaviour,
                upload: 7,
                download: u64::MAX,
            };
            assert_eq!(Header::decode(&header.encode()), Some(header));
        }
    }

    #[test]
    fn strange_data_is_no_header() {
        assert_eq!(Header::decode(b"GET / HTTP/1.1\r\nHost: \r\n"), None);
    }
}
