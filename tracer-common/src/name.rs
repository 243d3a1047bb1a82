//! What the ring buffer of names carries: bytes of a contact that may say by which name the app knows its destination.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Address;

/// [`NameEvent::kind`]: bytes of a TCP stream that this machine sends.
pub const STREAM_OUT: u8 = 1;
/// [`NameEvent::kind`]: bytes of a TCP stream that arrive.
pub const STREAM_IN: u8 = 2;
/// [`NameEvent::kind`]: a datagram that leaves, from its payload's first byte on.
pub const DATAGRAM_OUT: u8 = 3;
/// [`NameEvent::kind`]: one that arrives.
pub const DATAGRAM_IN: u8 = 4;
/// [`NameEvent::kind`]: a call that asked the C library for a name has returned; an [`Answered`] follows.
pub const ANSWERED: u8 = 5;
/// [`NameEvent::kind`]: what a program says to Android's resolver, over the socket that is `NameEvent::socket`.
pub const PROXY_OUT: u8 = 6;
/// [`NameEvent::kind`]: what that says to the program, by the same socket.
pub const PROXY_IN: u8 = 7;

/// Bytes of payload into a stream beyond which no name is looked for.
pub const STREAM_BYTES: u32 = 16_384;
/// Bytes of payload that most events have room for. These are powers of two: so the kernel side shows the verifier what is at most copied.
pub const SMALL: usize = 1_024;
/// Bytes of payload that larger ones have room for: a datagram of most networks.
pub const LARGE: usize = 2_048;
/// Bytes of payload that the largest have room for: an answer of DNS, three datagrams that leave as one. Longer payload takes several events.
pub const LARGEST: usize = 4_096;

/// The port of DNS (RFC 1035).
pub const DNS: u16 = 53;
/// The port of multicast DNS (RFC 6762).
pub const MULTICAST_DNS: u16 = 5353;
/// The port of LLMNR (RFC 4795).
pub const LLMNR: u16 = 5355;

/// What precedes the bytes.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct NameEvent {
    /// As [`crate::Record::socket`].
    pub socket: u64,
    /// As [`crate::Record::began_ns`]; 0 where the contact is not known. Of a call, when it began.
    pub began_ns: u64,
    /// `CLOCK_MONOTONIC` nanoseconds at which the bytes passed.
    pub at_ns: u64,
    /// The program's handle, as [`crate::DestinationKey::process`]; 0 where the contact is not known.
    pub process: u64,
    /// Number of the thread that sends, in the initial PID namespace; 0 for what arrives.
    pub thread: u32,
    /// 1 where that thread asks its C library for a name meanwhile: of DNS or of Android's resolver, then this is the library's question.
    pub within_call: u32,
    /// The remote's, as [`crate::DestinationKey::address`].
    pub address: Address,
    /// The remote's port.
    pub port: u16,
    /// `PROTOCOL_…`.
    pub protocol: u8,
    /// `STREAM_…`, `DATAGRAM_…`.
    pub kind: u8,
    /// Where in the stream, or in the datagram, the bytes begin.
    pub offset: u32,
    /// How many bytes of payload follow.
    pub length: u32,
    /// Bytes of each datagram, where several leave as one (`UDP_SEGMENT`); else 0.
    pub segment: u32,
}

/// An event, and room for its bytes; behind `event.length` of them the room holds anything.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SmallEvent {
    pub event: NameEvent,
    pub bytes: [u8; SMALL],
}

/// The same with more room.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LargeEvent {
    pub event: NameEvent,
    pub bytes: [u8; LARGE],
}

/// The same with most room.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LargestEvent {
    pub event: NameEvent,
    pub bytes: [u8; LARGEST],
}

/// Addresses of one answer of the C library that are kept.
pub const ADDRESSES: usize = 32;
/// Bytes of a name that a call asks for, with the zero behind it: the longest host name has 253 (RFC 1035 section 2.3.4).
pub const NAME_BYTES: usize = 256;

/// What a call that asks the C library for a name was asked and has answered.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Answered {
    /// The name; behind its zero stands anything.
    pub name: [u8; NAME_BYTES],
    /// The addresses, `count` of them; behind those stands anything. None of them is its neighbour's.
    pub addresses: [Address; ADDRESSES],
    /// What the call returned: 0 where it has an answer, else a number of `EAI_…` or of errors; 1 where it returns none.
    pub result: i32,
    /// `ai_flags` of what the caller wished for (`struct addrinfo`); 0 where he wished for nothing.
    pub wishes: u32,
    /// How many addresses there are.
    pub count: u64,
}

/// An event and what a call was answered.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AnsweredEvent {
    pub event: NameEvent,
    pub answered: Answered,
}

/// `AI_NUMERICHOST`, the same number in glibc, musl and bionic: only addresses in text are answered, nobody is asked.
pub const ONLY_NUMBERS: u32 = 4;

// What is looked for in a stream: `Connection::name_state`.

/// Nothing has been found yet.
pub const LOOKING: u16 = 0;
/// A hello has begun, and goes on.
pub const IN_HELLO: u16 = 1;
/// Whatever comes says nothing.
pub const DONE: u16 = 2;
