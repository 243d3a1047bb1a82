//! How much passed over a TCP socket so far.
//!
//! Nothing is counted per packet: `struct tcp_sock` has the numbers. They are read at the end of a connection, and for
//! open ones when user space asks.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};

use crate::{
    maps::CONNECTIONS,
    memory::read,
    offsets::{
        SOCK_COOKIE, SOCK_FLAGS, TCP_BYTES_RECEIVED, TCP_BYTES_RETRANSMITTED, TCP_BYTES_SENT,
    },
};

/// Bit of `sock.sk_flags` that `tcp_fin()` sets: the peer's FIN has arrived (`enum sock_flags`, include/net/sock.h).
const SOCK_DONE: u64 = 1 << 1;

/// Payload bytes, each once.
pub struct Payload {
    pub sent: u64,
    pub received: u64,
}

/// What left and what arrived over `sock`. Never more than the truth while the connection lives: the number that is
/// subtracted is read after the number it is subtracted from.
#[inline(always)]
pub fn payload(sock: u64) -> Payload {
    let sent: u64 = read(sock, &TCP_BYTES_SENT);
    let retransmitted: u64 = read(sock, &TCP_BYTES_RETRANSMITTED);
    let received: u64 = read(sock, &TCP_BYTES_RECEIVED);
    // The peer's FIN takes a number in the sequence and is counted by the kernel as a byte.
    let fin = u64::from(read::<u64>(sock, &SOCK_FLAGS) & SOCK_DONE != 0);
    Payload {
        sent: sent.saturating_sub(retransmitted),
        received: received.saturating_sub(fin),
    }
}

/// Attached to nothing: user space runs it (`BPF_PROG_TEST_RUN`, since 5.10) with up to twelve keys of `CONNECTIONS` as
/// arguments, and finds what passed over them in the values.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn sample(context: RawTracePointContext) -> i32 {
    one(context.arg(0));
    one(context.arg(1));
    one(context.arg(2));
    one(context.arg(3));
    one(context.arg(4));
    one(context.arg(5));
    one(context.arg(6));
    one(context.arg(7));
    one(context.arg(8));
    one(context.arg(9));
    one(context.arg(10));
    one(context.arg(11));
    0
}

#[inline(never)]
fn one(sock: u64) {
    let Some(connection) = CONNECTIONS.get_ptr(&sock) else {
        return;
    };
    // SAFETY: a live map value.
    let began_ns = unsafe { (*connection).began_ns };
    let payload = payload(sock);
    let cookie: u64 = read(sock, &SOCK_COOKIE);
    // The socket may have ended meanwhile and its memory may be another's by now. Its entry goes before its memory
    // does, so what was read is its own if the entry is still there.
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        return;
    };
    // SAFETY: a live map value; only this program writes these fields, and user space runs it from one thread.
    let connection = unsafe { &mut *connection };
    if connection.began_ns == began_ns {
        connection.sent = payload.sent;
        connection.received = payload.received;
        connection.cookie = cookie;
    }
}
