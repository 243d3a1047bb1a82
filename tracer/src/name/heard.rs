//! What a contact itself says of its name: the hello of its TLS or QUIC handshake, put together from what passed.

use std::borrow::Cow;

use super::{
    hello::{self, Hello},
    progress::Progress,
    quic::Initials,
};

/// What was heard on one contact so far.
#[derive(Default)]
pub enum Heard {
    /// Nothing that may become a hello.
    #[default]
    Nothing,
    Stream(Stream),
    Datagrams(Box<Initials>),
    Hello(Box<Whole>),
}

/// A hello, from its first byte to its last.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    pub hello: Hello,
    /// Bytes before it in the stream; `None` over QUIC.
    pub offset: Option<u32>,
    /// `CLOCK_MONOTONIC` nanoseconds at which its last byte passed.
    pub at_ns: u64,
}

/// Bytes that may be the first ones of a hello.
pub struct Stream {
    offset: u32,
    bytes: Vec<u8>,
}

impl Heard {
    /// Whether more may come that makes a hello of it.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Datagrams(_))
    }

    pub fn hello(&self) -> Option<&Whole> {
        match self {
            Self::Hello(whole) => Some(whole),
            _ => None,
        }
    }

    /// Bytes that a client sent over TCP, the first of them at `offset`.
    pub fn stream(&mut self, offset: u32, bytes: &[u8], at_ns: u64) {
        let (offset, gathered) = match std::mem::take(self) {
            whole @ Self::Hello(_) => return *self = whole,
            Self::Stream(mut stream) if stream.end() == offset => {
                stream.bytes.extend_from_slice(bytes);
                (stream.offset, Cow::Owned(stream.bytes))
            }
            // The kernel side begins anew where the first bytes did not go on as a hello does; and what it had no room for is
            // missing, which makes none of the rest. Most hellos come whole.
            _ => (offset, Cow::Borrowed(bytes)),
        };
        *self = match hello::records(&gathered) {
            Progress::Is(hello) => Self::Hello(Box::new(Whole {
                hello,
                offset: Some(offset),
                at_ns,
            })),
            Progress::Incomplete if gathered.len() <= hello::LONGEST => Self::Stream(Stream {
                offset,
                bytes: gathered.into_owned(),
            }),
            Progress::Incomplete | Progress::Not => Self::Nothing,
        };
    }

    /// A datagram that a client of QUIC sent.
    pub fn datagram(&mut self, bytes: &[u8], at_ns: u64) {
        if matches!(self, Self::Nothing) {
            *self = Self::Datagrams(Box::default());
        }
        let Self::Datagrams(initials) = self else {
            return;
        };
        match initials.datagram(bytes) {
            Progress::Is(hello) => {
                *self = Self::Hello(Box::new(Whole {
                    hello,
                    offset: None,
                    at_ns,
                }));
            }
            Progress::Not => *self = Self::Nothing,
            Progress::Incomplete => {}
        }
    }
}

impl Whole {
    /// Whether it is not what its stream begins with.
    pub fn is_behind(&self) -> bool {
        self.offset.is_some_and(|offset| offset > 0)
    }
}

impl Stream {
    fn end(&self) -> u32 {
        self.offset.wrapping_add(self.bytes.len() as u32)
    }
}
