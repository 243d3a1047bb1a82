//! The life of a TCP connection: attempt, established, failed with its reason, closed.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use tracer_common::{Record, map::CONNECTION_NO_CONTACT, record};

use super::{
    flow, listener,
    tcp_begin::{accept, begin},
    tcp_close::{close, end},
};
use crate::{
    clock::{now, zero},
    counts::{add, find},
    emit::emit,
    maps::CONNECTIONS,
    memory::read,
    offsets::{SOCK_ERROR, SOCK_STATE},
};

// include/net/tcp_states.h; part of the kernel's interface to user space (`tcp_info.tcpi_state`).
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const CLOSE: i32 = 7;
const LISTEN: i32 = 10;

/// `sock:inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16.
///
/// `SYN_SENT` is entered by `connect(2)` in the caller's context, remote address and port set. The other changes run
/// wherever the packet, the timer or the `close(2)` is handled.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn tcp_life(context: RawTracePointContext) -> i32 {
    let sock: u64 = context.arg(0);
    match context.arg::<i32>(2) {
        SYN_SENT => begin(&context, sock),
        ESTABLISHED => establish(&context, sock, context.arg(1)),
        LISTEN => listener::begin(&context, sock),
        CLOSE if context.arg::<i32>(1) == LISTEN => listener::end(sock),
        CLOSE => close(sock, !matches!(context.arg::<i32>(1), SYN_SENT | SYN_RECV)),
        _ => {}
    }
    0
}

/// `tcp:tcp_destroy_sock(struct sock *sk)`, since 4.16: the last word of a TCP socket.
///
/// The kernel skips a raw tracepoint's program that would interrupt itself on a processor (since 6.1), so the end of a
/// connection can be missed when softirq interrupts `tcp_life`. This program is another one and is not skipped then. It
/// finds nothing to do in all other cases.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn tcp_end(context: RawTracePointContext) -> i32 {
    end(context.arg(0), false);
    0
}

/// `sock:inet_sk_error_report(const struct sock *sk)`, since 5.14: an error for the program that owns the socket.
///
/// When the end of a failed attempt is missed (see `tcp_end`), this still runs in the moment of the failure, while the
/// socket says why. Before 6.10 it runs ahead of the change of state, and then the error is kept for `tcp_end`.
///
/// It runs for sockets of datagrams too: an ICMP error that came back for one that is connected.
#[raw_tracepoint(tracepoint = "inet_sk_error_report")]
pub fn tcp_error(context: RawTracePointContext) -> i32 {
    let sock: u64 = context.arg(0);
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        flow::fail(sock);
        return 0;
    };
    if i32::from(read::<u8>(sock, &SOCK_STATE)) == CLOSE {
        end(sock, false);
    } else {
        // SAFETY: a field of a live map value that nobody else writes.
        unsafe { (*connection).error = read(sock, &SOCK_ERROR) };
    }
    0
}

#[inline(always)]
fn establish(context: &RawTracePointContext, sock: u64, before: i32) {
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        // The handshake of an accepted connection is complete. One begun here comes from `SYN_RECV` only where both ends
        // connect to each other, and then it is in the map.
        if before == SYN_RECV {
            accept(context, sock);
        }
        return;
    };
    // SAFETY: the state changes of one socket do not run at once, so nobody else writes this value's times.
    let connection = unsafe { &mut *connection };
    if connection.established_ns != 0 {
        return;
    }
    connection.established_ns = now();
    if connection.flags & CONNECTION_NO_CONTACT != 0 {
        return;
    }
    if let Some(counts) = find(&connection.destination) {
        // SAFETY: a field of a live map value.
        add(unsafe { &raw mut (*counts).established }, 1);
    }
    let zero = zero();
    emit(Record {
        destination: connection.destination,
        began_ns: connection.began_ns,
        established_ns: connection.established_ns,
        at_ns: connection.established_ns,
        sent: zero,
        received: zero,
        kind: record::ESTABLISHED,
        reason: 0,
    });
}
