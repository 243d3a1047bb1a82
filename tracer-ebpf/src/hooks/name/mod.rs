//! Which bytes may say the name of whom they are for? They are picked and copied here, and read in user space: at the cgroup of packets,
//! with kprobes of what calls hand over.
//!
//! Of a TCP stream that this machine began: the TLS hello, wherever in its first 16 KB a segment begins with one, and no byte behind it.
//! Of datagrams: QUIC's first ones, and DNS both ways, which may have a TCP stream too.

mod behind;
mod copy;
mod datagram;

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{bpf_sock, bpf_tcp_sock},
    helpers::generated::bpf_tcp_sock as tcp_sock,
    programs::SkBuffContext,
};
use tracer_common::{
    Connection, NameEvent,
    map::{CONNECTION_ACCEPTED, PROTOCOL_TCP},
    name::{DNS, DONE, IN_HELLO, LOOKING, STREAM_BYTES, STREAM_IN, STREAM_OUT},
};

use super::headers::{IPV4_HEADER, IPV4_WITHOUT_OPTIONS, IPV6_HEADER, Way};
use super::lookup;
use crate::{clock::now, maps::CONNECTIONS, memory::address_of, offsets::NAMES_WANTED, process};
use behind::Stream;
use copy::load;
pub use copy::{copy, wake};
pub use datagram::{answers, datagram_in, datagram_out, is_dns, is_of_interest, may_name};

/// Bytes of TCP's header without options.
const TCP_HEADER: usize = 20;
/// Its flag that a segment begins the stream.
const SYN: u8 = 2;

/// First byte of a TLS record that carries a handshake (RFC 8446 section 5.1), and of the version behind it.
const HANDSHAKE: u64 = 0x16;
const VERSION: u64 = 3;
/// The message that a client begins with (section 4).
const CLIENT_HELLO: u64 = 1;
/// Bytes of the headers of a record and of a message.
const RECORD_HEADER: u32 = 5;
const MESSAGE_HEADER: u32 = 4;
const HEADERS: u32 = RECORD_HEADER + MESSAGE_HEADER;

/// Most bytes that are copied for one hello: one as long as looked for, in two records.
const MOST: u32 = STREAM_BYTES + 2 * RECORD_HEADER + MESSAGE_HEADER;

/// Whether names are looked for.
#[inline(always)]
pub fn are_wanted() -> bool {
    NAMES_WANTED.load() != 0
}

/// A segment of TCP with payload.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Where in the packet the payload begins.
    pub at: u32,
    /// Bytes of payload.
    pub length: u32,
    /// Of the payload's first byte.
    pub sequence: u32,
    /// The remote's, in the machine's byte order.
    pub port: u16,
}

/// What a packet of TCP carries, if it carries anything and its headers are in one piece.
#[inline(always)]
fn segment(context: &SkBuffContext, way: Way) -> Option<Segment> {
    let skb = context.skb.skb;
    // SAFETY: fields of the context, and bytes within the bounds that are compared before.
    unsafe {
        let (start, end) = ((*skb).data as usize, (*skb).data_end as usize);
        if start + IPV4_HEADER + TCP_HEADER > end {
            return None;
        }
        let header = if *(start as *const u8) == IPV4_WITHOUT_OPTIONS {
            IPV4_HEADER
        } else {
            if start + IPV6_HEADER + TCP_HEADER > end {
                return None;
            }
            IPV6_HEADER
        };
        // Headers are aligned as words are, or the machine reads words wherever they lie.
        let (tcp, words) = (
            (start + header) as *const u8,
            (start + header) as *const u32,
        );
        let at = (header + usize::from(*tcp.add(12) >> 4) * 4) as u32;
        let length = (*skb).len.wrapping_sub(at);
        if length == 0 || length > 1 << 20 {
            return None;
        }
        let sequence = u32::from_be(*words.add(1));
        let ports = u32::from_be(*words);
        let port = match way {
            Way::Out => ports as u16,
            Way::In => (ports >> 16) as u16,
        };
        // A SYN may carry data (Fast Open), and is the number before it.
        let sequence = sequence.wrapping_add(u32::from(*tcp.add(13) & SYN != 0));
        Some(Segment {
            at,
            length,
            sequence,
            port,
        })
    }
}

/// The packet's connection as the kernel keeps it, and its socket; `None` where it is none of a full socket.
#[inline(always)]
fn connection_of(context: &SkBuffContext) -> Option<(*const bpf_tcp_sock, *const bpf_sock)> {
    // SAFETY: a field of the context, which the kernel translates, and a socket that is not null.
    unsafe {
        let sock = (*context.skb.skb).__bindgen_anon_2.sk;
        if sock.is_null() {
            return None;
        }
        let tcp = tcp_sock(sock).cast_const();
        (!tcp.is_null()).then_some((tcp, sock.cast_const()))
    }
}

/// A packet of TCP leaves.
#[inline(always)]
pub fn stream_out(context: &SkBuffContext) {
    let stream = Stream::of(context);
    if stream.is_behind() {
        return;
    }
    // Whoever only acknowledges says nothing.
    let Some(segment) = segment(context, Way::Out) else {
        return;
    };
    let Some((tcp, sock)) = connection_of(context) else {
        return;
    };
    // SAFETY: fields of a structure that is not null.
    let (acked, next, unacked) = unsafe { ((*tcp).bytes_acked, (*tcp).snd_nxt, (*tcp).snd_una) };
    // Nobody says its name that late.
    if acked.wrapping_add(u64::from(next.wrapping_sub(unacked))) > u64::from(STREAM_BYTES) {
        stream.is_behind_now();
        return;
    }
    // What has been acknowledged counts the SYN as a byte, and nothing does before.
    let before = (acked as u32).wrapping_sub(1);
    let offset = before.wrapping_add(segment.sequence.wrapping_sub(unacked));
    let context = context.skb.skb.cast::<c_void>();
    if look(context, address_of(sock), offset, &segment) == NO_NAME_COMES {
        stream.is_behind_now();
    }
}

/// A packet of TCP arrives: only what DNS answers is looked at.
#[inline(always)]
pub fn stream_in(context: &SkBuffContext) {
    // SAFETY: a field of the context, which the kernel translates, and one that every socket has.
    let is_dns = unsafe {
        let sock = (*context.skb.skb).__bindgen_anon_2.sk;
        !sock.is_null() && (*sock).dst_port == DNS.to_be()
    };
    if !is_dns {
        return;
    }
    let Some((tcp, sock)) = connection_of(context) else {
        return;
    };
    let Some(segment) = segment(context, Way::In) else {
        return;
    };
    // SAFETY: fields of a structure that is not null.
    let (received, next) = unsafe { ((*tcp).bytes_received as u32, (*tcp).rcv_nxt) };
    let offset = received.wrapping_add(segment.sequence.wrapping_sub(next));
    if offset >= STREAM_BYTES {
        return;
    }
    let sock = address_of(sock);
    let _ = answered(context.skb.skb.cast(), sock, offset, &segment);
}

/// A function of its own, as are those below: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
fn answered(context: *mut c_void, sock: u64, offset: u32, segment: &Segment) -> u32 {
    if let Some(connection) = CONNECTIONS.get_ptr(&sock)
        // SAFETY: a field of a live map value.
        && unsafe { (*connection).flags } & CONNECTION_ACCEPTED as u16 == 0
    {
        let mut event = of_stream(sock, connection, segment.port, STREAM_IN, offset);
        let _ = copy(context, &mut event, segment.at, segment.length);
    }
    0
}

/// Whether a stream may still say a name: it began here, and has said none.
#[inline(always)]
pub fn is_looked_at(sock: u64) -> bool {
    CONNECTIONS.get_ptr(&sock).is_some_and(may_say)
}

#[inline(always)]
fn may_say(connection: *const Connection) -> bool {
    // SAFETY: fields of a live map value.
    unsafe {
        (*connection).flags & CONNECTION_ACCEPTED as u16 == 0 && (*connection).name_state != DONE
    }
}

/// What [`look`] returns of a stream that was accepted, or has said its name.
const NO_NAME_COMES: u32 = 1;

/// Looks for a hello in a segment of a stream that began here.
#[inline(never)]
pub fn look(context: *mut c_void, sock: u64, offset: u32, segment: &Segment) -> u32 {
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        return 0;
    };
    if offset >= STREAM_BYTES {
        return 0;
    }
    // SAFETY: fields of a live map value. The segments of one socket leave one after the other.
    unsafe {
        if !may_say(connection) {
            return NO_NAME_COMES;
        }
        if segment.port == DNS {
            let mut event = of_stream(sock, connection, segment.port, STREAM_OUT, offset);
            return copy(context, &mut event, segment.at, segment.length);
        }
        if (*connection).name_state == LOOKING {
            (*connection).name_from = offset as u16;
            (*connection).name_next = offset as u16;
            (*connection).name_to = 0;
            (*connection).name_head = 0;
        }
        // Sent once more, or not in order, which no first segment is.
        if offset != u32::from((*connection).name_next) {
            return 0;
        }
        let from = u32::from((*connection).name_from);
        let seen = offset.wrapping_sub(from);
        if seen < HEADERS {
            let head = head(context, segment, seen, (*connection).name_head);
            (*connection).name_head = head;
            let seen = seen + segment.length;
            let length = match hello(head, seen) {
                0 => {
                    (*connection).name_state = LOOKING;
                    return 0;
                }
                1 => 0,
                length => length,
            };
            (*connection).name_to = if length == 0 {
                0
            } else {
                (from + length) as u16
            };
        }
        (*connection).name_state = IN_HELLO;
        let to = u32::from((*connection).name_to);
        let to = if to == 0 { from + HEADERS } else { to };
        let left = to.wrapping_sub(offset);
        let length = if segment.length < left {
            segment.length
        } else {
            left
        };
        (*connection).name_next = (offset + length) as u16;
        if length == left && (*connection).name_to != 0 {
            (*connection).name_state = DONE;
        }
        let mut event = of_stream(sock, connection, segment.port, STREAM_OUT, offset);
        copy(context, &mut event, segment.at, length)
    }
}

/// The first bytes of a hello: `head` has the `seen` first ones of it, and those follow that the segment begins with. Only the last eight
/// of nine are kept: the very first is looked at where there are fewer.
#[inline(never)]
fn head(context: *mut c_void, segment: &Segment, seen: u32, mut head: u64) -> u64 {
    if seen == 0 && segment.length >= HEADERS {
        let mut first = [0_u8; HEADERS as usize];
        // SAFETY: an array of as many bytes.
        let _ = unsafe { load(context, segment.at, first.as_mut_ptr().cast(), HEADERS) };
        if u64::from(first[0]) != HANDSHAKE {
            return 0;
        }
        let mut rest = [0; 8];
        rest.copy_from_slice(&first[1..]);
        return u64::from_be_bytes(rest);
    }
    for index in 0..HEADERS {
        if index >= segment.length || seen + index >= HEADERS {
            break;
        }
        let mut byte = 0_u8;
        // SAFETY: as above, one byte.
        let _ = unsafe { load(context, segment.at + index, (&raw mut byte).cast(), 1) };
        if seen + index == 0 && u64::from(byte) != HANDSHAKE {
            return 0;
        }
        head = head << 8 | u64::from(byte);
    }
    head
}

/// What begins with these `seen` bytes, of which `head` has the last eight, or all but the first: 0 is no hello, 1 may become one, any
/// other number is how long one is, with the headers of its records.
#[inline(always)]
fn hello(head: u64, seen: u32) -> u32 {
    if seen < HEADERS {
        // The first byte of all is the uppermost that is there.
        let first = head >> (8 * (seen - 1));
        let second = head >> (8 * (seen.wrapping_sub(2) & 7));
        let is_one = first & 0xff == HANDSHAKE && (seen < 2 || second & 0xff == VERSION);
        return u32::from(is_one);
    }
    if head >> 56 != VERSION || head >> 24 & 0xff != CLIENT_HELLO {
        return 0;
    }
    let record = (head >> 32) as u32 & 0xffff;
    let message = head as u32 & 0xff_ffff;
    if record == 0 {
        return 0;
    }
    // Not even the message's header is in one record, and what stands there is no length.
    if record < MESSAGE_HEADER {
        return MOST;
    }
    if message > STREAM_BYTES {
        return 0;
    }
    let whole = message + MESSAGE_HEADER;
    // Where it goes on in further records, as many of them as there are if all are as long as the first.
    let further = if whole > record {
        (whole - record).div_ceil(record)
    } else {
        0
    };
    let whole = RECORD_HEADER + whole + further * RECORD_HEADER;
    if whole > MOST { MOST } else { whole }
}

#[inline(always)]
fn of_stream(
    sock: u64,
    connection: *const Connection,
    port: u16,
    kind: u8,
    offset: u32,
) -> NameEvent {
    let thread = if kind == STREAM_OUT {
        process::thread()
    } else {
        0
    };
    let within_call = if port == DNS {
        lookup::call::asks(thread)
    } else {
        0
    };
    // SAFETY: fields of a live map value that do not change.
    unsafe {
        NameEvent {
            socket: sock,
            began_ns: (*connection).began_ns,
            at_ns: now(),
            process: (*connection).destination.process,
            thread,
            within_call,
            address: (*connection).destination.address,
            port,
            protocol: PROTOCOL_TCP,
            kind,
            offset,
            length: 0,
            segment: 0,
        }
    }
}
