//! Which names are in the streams of TCP? A hello may stand behind other words: STARTTLS, CONNECT, SOCKS. It begins where a segment
//! begins.

use super::{
    found::{Flow, What},
    messages,
    table::Table,
};
use crate::{
    capture::transport::Segment,
    name::{dns, hello, progress::Progress, stream::Beginning},
};

/// Most directions of connections that are followed, with at most 20 KB each.
const MOST: usize = 4_096;
/// Bytes of a stream in which a hello must begin.
const START: usize = 16_384;
/// Bytes of a stream that are kept.
const KEPT: usize = 20 * 1_024;
/// Most places where a hello may have begun. Of what a client sends, few segments begin as a record of a handshake does.
const MOST_PLACES: usize = 64;
const DNS_PORT: u16 = 53;

/// One direction of a connection.
struct Stream {
    /// The sequence number of the first byte that is kept.
    start: u32,
    state: State,
}

enum State {
    /// Where a hello may have begun, and what there is of the stream.
    Hello(Vec<usize>, Beginning),
    /// Messages of DNS, one behind another.
    Dns(Beginning),
    /// Nothing more is looked for.
    Over,
}

impl Stream {
    /// Whether something has begun that is not complete.
    fn is_of_use(&self) -> bool {
        match &self.state {
            State::Hello(places, _) => !places.is_empty(),
            State::Dns(bytes) => !bytes.bytes().is_empty(),
            State::Over => false,
        }
    }
}

pub struct Streams {
    table: Table<Flow, Stream>,
    /// Streams of DNS that cannot be read on.
    pub given_up: u64,
    /// Messages of DNS that are none that is read.
    pub unread: u64,
}

impl Streams {
    pub fn new() -> Self {
        Self {
            table: Table::new(MOST, Stream::is_of_use),
            given_up: 0,
            unread: 0,
        }
    }

    /// How many streams went for want of room in which something had begun.
    pub fn dropped(&self) -> u64 {
        self.table.dropped
    }

    /// Takes a segment, and adds to `found` what it makes complete.
    pub fn take(&mut self, flow: Flow, segment: &Segment<'_>, found: &mut Vec<What>) {
        let is_dns = [segment.source_port, segment.destination_port].contains(&DNS_PORT);
        // A SYN has a number of its own, before that of the first byte.
        let sequence = segment.sequence.wrapping_add(u32::from(segment.is_syn));
        let make = || Stream {
            start: sequence,
            state: if is_dns {
                State::Dns(Beginning::new(KEPT))
            } else if segment.is_syn && segment.is_ack {
                // Who answers a SYN is the server; what it echoes is no hello.
                State::Over
            } else {
                State::Hello(Vec::new(), Beginning::new(KEPT))
            },
        };
        let stream = self.table.get_or_make(flow, make);
        if segment.is_syn && stream.start != sequence {
            // The ports are used again, or there were segments before the SYN.
            *stream = make();
        }
        // Half of the numbers are before the start: those of what came late, and of what was sent again.
        let distance = sequence.wrapping_sub(stream.start).cast_signed();
        let before = usize::try_from(-i64::from(distance)).unwrap_or(0);
        let offset = usize::try_from(distance).unwrap_or(0);
        let payload = segment.payload.get(before..).unwrap_or_default();
        if payload.is_empty() {
            return;
        }
        match &mut stream.state {
            State::Hello(places, bytes) => {
                if let Some((hello, at)) = look(places, bytes, offset, before == 0, payload) {
                    found.push(What::Sni(hello, at));
                    stream.state = State::Over;
                } else if places.is_empty()
                    && (bytes.bytes().len() >= START || offset >= START + KEPT)
                {
                    stream.state = State::Over;
                }
            }
            State::Dns(bytes) => {
                bytes.insert(offset as u64, payload);
                let unread = &mut self.unread;
                let taken = dns::in_stream(bytes.bytes(), |message| {
                    *unread += u64::from(!messages::read(message, found));
                });
                bytes.forget(taken);
                stream.start = stream.start.wrapping_add(taken as u32);
                // A message that is longer than what is kept, or one of which a part was not captured.
                if bytes.is_full() || offset >= KEPT {
                    self.given_up += 1;
                    stream.state = State::Over;
                }
            }
            State::Over => {}
        }
    }
}

/// The hello that a segment makes complete, and where it begins.
fn look(
    places: &mut Vec<usize>,
    bytes: &mut Beginning,
    offset: usize,
    is_start: bool,
    payload: &[u8],
) -> Option<(hello::Hello, usize)> {
    if is_start && offset < START {
        match hello::records(payload) {
            Progress::Is(hello) => return Some((hello, offset)),
            Progress::Incomplete if places.len() < MOST_PLACES && !places.contains(&offset) => {
                places.push(offset);
            }
            _ => {}
        }
    }
    bytes.insert(offset as u64, payload);
    let mut complete = None;
    places.retain(|place| match hello::records(bytes.bytes_from(*place)) {
        Progress::Incomplete => true,
        Progress::Not => false,
        Progress::Is(hello) => {
            complete.get_or_insert((hello, *place));
            false
        }
    });
    complete
}

#[cfg(test)]
#[path = "streams/tests.rs"]
mod tests;
