//! How much passed over a TCP socket so far.
//!
//! Nothing is counted per packet: `struct tcp_sock` has the numbers. They are read at the end of a connection, and for
//! open ones when user space asks.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use tracer_common::{
    Address, DestinationKey,
    map::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIED, CONNECTION_CARRIER, CONNECTION_CLOSED,
        CONNECTION_NO_CONTACT, CONNECTION_PAST, CONNECTION_PENDING,
    },
};

use super::past;

use crate::{
    address::Head,
    maps::CONNECTIONS,
    memory::read,
    offsets::{
        MULTIPATH_RECEIVED, MULTIPATH_SENT, SOCK_FLAGS, SOCK_STATE, TCP_BYTES_ACKNOWLEDGED,
        TCP_BYTES_RECEIVED, TCP_BYTES_RETRANSMITTED, TCP_BYTES_SENT, TCP_SEND_END, TCP_SEND_NEXT,
        TCP_SEND_UNACKNOWLEDGED,
    },
};

/// Bit of `sock.sk_flags` that `tcp_fin()` sets: the peer's FIN has arrived (`enum sock_flags`, include/net/sock.h).
const SOCK_DONE: u64 = 1 << 1;

// include/net/tcp_states.h
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// Payload bytes, each once.
pub struct Payload {
    pub sent: u64,
    pub received: u64,
}

/// What left and what arrived over `sock`; `flags` are those of its connection.
///
/// Never more than left, also while the connection lives: the number that is subtracted is read after the number it is
/// subtracted from. What arrived may be one too high for the moment in which the kernel has counted the peer's FIN and not
/// yet said so.
#[inline(always)]
pub fn payload(sock: u64, flags: u32) -> Payload {
    if flags & CONNECTION_CARRIER != 0 {
        return Payload {
            sent: read(sock, &MULTIPATH_SENT),
            received: read(sock, &MULTIPATH_RECEIVED),
        };
    }
    if flags & CONNECTION_CARRIED != 0 {
        return Payload {
            sent: 0,
            received: 0,
        };
    }
    let sent: u64 = read(sock, &TCP_BYTES_SENT);
    let retransmitted: u64 = read(sock, &TCP_BYTES_RETRANSMITTED);
    let mut sent = sent.saturating_sub(retransmitted);
    // The kernel counts a segment as sent before it is: one that a full queue, a firewall or a lost route refused is sent
    // again, as new. It has moved on in the sequence only with what left.
    if sent != 0 {
        sent = sent.min(sequence(sock, flags));
    }
    let mut received: u64 = read(sock, &TCP_BYTES_RECEIVED);
    // The peer's FIN takes a number in the sequence and is counted by the kernel as a byte.
    if received != 0 {
        received -= u64::from(read::<u64>(sock, &SOCK_FLAGS) & SOCK_DONE != 0);
    }
    Payload { sent, received }
}

/// How far the sequence of payload has moved on.
#[inline(always)]
fn sequence(sock: u64, flags: u32) -> u64 {
    let acknowledged: u64 = read(sock, &TCP_BYTES_ACKNOWLEDGED);
    let from: u32 = read(sock, &TCP_SEND_UNACKNOWLEDGED);
    let next: u32 = read(sock, &TCP_SEND_NEXT);
    // `inet_sock_set_state` runs before the new state is stored, so at the end of a connection this is the one it leaves.
    let state: u8 = read(sock, &SOCK_STATE);
    let closing = matches!(state, FIN_WAIT1 | FIN_WAIT2 | LAST_ACK | CLOSING);
    let fin = closing && next == read::<u32>(sock, &TCP_SEND_END);
    // A SYN that was sent took a number, and a FIN that left another. The kernel does not count the answer to a SYN.
    let syn = flags & CONNECTION_ACCEPTED == 0;
    (acknowledged + u64::from(next.wrapping_sub(from)))
        .saturating_sub(u64::from(syn) + u64::from(fin))
}

/// Attached to nothing: user space runs it (`BPF_PROG_TEST_RUN`, since 5.10) with up to twelve keys of `CONNECTIONS` as
/// arguments, and finds what passed over them in the values.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn sample(context: RawTracePointContext) -> i32 {
    let _ = one(context.arg(0));
    let _ = one(context.arg(1));
    let _ = one(context.arg(2));
    let _ = one(context.arg(3));
    let _ = one(context.arg(4));
    let _ = one(context.arg(5));
    let _ = one(context.arg(6));
    let _ = one(context.arg(7));
    let _ = one(context.arg(8));
    let _ = one(context.arg(9));
    let _ = one(context.arg(10));
    let _ = one(context.arg(11));
    0
}

#[inline(never)]
#[unsafe(export_name = "sample_one")]
extern "C" fn one(sock: u64) -> u32 {
    let Some(connection) = CONNECTIONS.get_ptr(&sock) else {
        return 0;
    };
    // SAFETY: a live map value.
    let (began_ns, flags, destination) = unsafe {
        let connection = &*connection;
        (
            connection.began_ns,
            u32::from(connection.flags),
            connection.destination,
        )
    };
    if flags & CONNECTION_PENDING != 0 {
        // It is nobody's contact yet, and what completes it writes its flags.
        return 0;
    }
    let payload = payload(sock, flags);
    let head = Head::of(sock);
    let ((local, local_port), (remote_address, remote_port)) = (head.local(), head.remote());
    let (namespace, interface, cookie) = (head.namespace(), head.interface(), head.cookie());
    let is_past = past::is_past(sock);
    let is_closed = matches!(head.state(), LAST_ACK | CLOSING);
    // Where no program was run for its end, its entry stays, and its memory is somebody else's.
    let port = if flags & CONNECTION_ACCEPTED == 0 {
        remote_port
    } else {
        local_port
    };
    if !is_at(&destination, flags, &remote_address, port) {
        return 0;
    }
    // The socket may have ended meanwhile and its memory may be another's by now. Where its end is seen its entry goes before its memory
    // does, so what was read is its own if the entry is still there.
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        return 0;
    };
    // SAFETY: a live map value; only this program writes these fields as long as it is not pending, and user space runs it from one thread.
    let connection = unsafe { &mut *connection };
    // The element may become another connection's even now; the stamp tells the reader whose sample it is.
    if connection.began_ns == began_ns {
        connection.sampled_ns = began_ns;
        connection.sent = payload.sent;
        connection.received = payload.received;
        connection.cookie = cookie;
        connection.local = local;
        connection.local_port = local_port;
        connection.remote_port = remote_port;
        connection.namespace = namespace;
        connection.interface = interface;
        if is_past {
            connection.flags |= CONNECTION_PAST as u16;
        }
        if is_closed {
            connection.flags |= CONNECTION_CLOSED as u16;
        }
    }
    0
}

/// Whether a socket at this place may be the one of a contact. What MPTCP joins, and what has found no room, is counted at another place.
#[inline(always)]
fn is_at(destination: &DestinationKey, flags: u32, address: &Address, port: u16) -> bool {
    flags & CONNECTION_NO_CONTACT != 0
        || destination.overflow != 0
        || (destination.port == port && destination.address == *address)
}
