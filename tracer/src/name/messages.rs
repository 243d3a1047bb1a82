//! Messages of DNS in one direction of a stream (RFC 1035 section 4.2.2).

use super::{
    dns::{self, Message},
    stream::Beginning,
};

/// Bytes that are kept of a stream.
const STREAM: usize = 16_384;

/// How many bytes have been read, and those that are no whole message yet.
pub struct Messages {
    read: u32,
    bytes: Beginning,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            read: 0,
            bytes: Beginning::new(STREAM),
        }
    }
}

impl Messages {
    /// Takes what stands at an offset of the stream. Returns the messages that are whole now, and whether each could be read.
    pub fn take(&mut self, offset: u32, bytes: &[u8]) -> (Vec<Message>, bool) {
        // What is sent once more may have been read.
        let again = self.read.saturating_sub(offset) as usize;
        let rest = bytes.get(again..).unwrap_or_default();
        let at = offset.saturating_sub(self.read);
        self.bytes.insert(at.into(), rest);
        let (mut messages, mut are_read) = (Vec::new(), true);
        let taken = dns::in_stream(self.bytes.bytes(), |message| {
            let message = dns::message(message);
            are_read &= message.is_some();
            messages.extend(message);
        });
        self.bytes.forget(taken);
        self.read = self.read.saturating_add(taken as u32);
        (messages, are_read)
    }
}
