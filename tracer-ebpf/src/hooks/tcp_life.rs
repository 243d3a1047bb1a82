//! The life of a TCP connection: attempt, established, failed with its reason, closed.

use super::{
    attempt, flow, listener,
    tcp_begin::{accept, begin},
    tcp_close::{close, end},
};
use crate::{
    clock::now,
    maps::{CONNECTIONS, LATEST_CHANGE},
    memory::read,
    offsets::{SOCK_ERROR, SOCK_STATE},
};
use aya_ebpf::{EbpfContext as _, macros::raw_tracepoint, programs::RawTracePointContext};

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
    let Some(latest) = LATEST_CHANGE.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: this processor's own value.
    unsafe { *latest = change(&context) };
    let sock: u64 = context.arg(0);
    match context.arg::<i32>(2) {
        SYN_SENT => _ = begin(context.as_ptr(), sock),
        ESTABLISHED => establish(sock, context.arg(1), true),
        LISTEN => _ = listener::begin(context.as_ptr(), sock),
        CLOSE if context.arg::<i32>(1) == LISTEN => listener::end(sock),
        CLOSE => close(sock, is_behind_handshake(context.arg(1)), true),
        _ => {}
    }
    0
}

/// The same tracepoint, behind `tcp_life`: the changes for which the kernel did not run that.
///
/// The kernel skips a raw tracepoint's program that would interrupt itself on a processor (since 6.1). Softirq that comes in
/// the middle of `tcp_life` may bring dozens of changes on a busy machine, and it is run for none of them. This program is
/// another one: it is skipped only in the middle of itself, and then `tcp_life` is not.
///
/// Where softirq comes between the two programs, the change seems to be another's and is looked at again. So it has to be one
/// of those that are found done then. The others do not come in softirq, or mean nothing to us.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn tcp_nested(context: RawTracePointContext) -> i32 {
    let (before, after): (i32, i32) = (context.arg(1), context.arg(2));
    if after != ESTABLISHED && (after != CLOSE || before == LISTEN) {
        return 0;
    }
    let Some(latest) = LATEST_CHANGE.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: this processor's own value.
    let latest = unsafe { &mut *latest };
    if *latest == change(&context) {
        *latest = 0;
    } else if after == ESTABLISHED {
        establish(context.arg(0), before, false);
    } else {
        close(context.arg(0), is_behind_handshake(before), false);
    }
    0
}

/// Whether a socket in this state was connected.
#[inline(always)]
fn is_behind_handshake(state: i32) -> bool {
    !matches!(state, SYN_SENT | SYN_RECV)
}

/// What tells one change from all others that are under way: the socket, whose address has room for the state.
#[inline(always)]
fn change(context: &RawTracePointContext) -> u64 {
    context.arg::<u64>(0) + u64::from(context.arg::<u32>(2))
}

/// `tcp:tcp_destroy_sock(struct sock *sk)`, since 4.16: the last word of a TCP socket.
///
/// It finds something to do only where no program was run for the change of state before.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn tcp_end(context: RawTracePointContext) -> i32 {
    let sock: u64 = context.arg(0);
    if !end(sock, false) {
        let _ = attempt::close(sock, false);
    }
    0
}

/// `sock:inet_sk_error_report(const struct sock *sk)`, since 5.14: an error for the program that owns the socket.
///
/// When the end of a failed attempt is missed, this still runs in the moment of the failure, while the socket says why.
/// Before 6.10 it runs ahead of the change of state, and then the error is kept for `tcp_end`.
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

/// `is_first`: nobody has looked at this change before.
#[inline(always)]
fn establish(sock: u64, before: i32, is_first: bool) {
    match CONNECTIONS.get_ptr_mut(&sock) {
        // SAFETY: the state changes of one socket do not run at once, so nobody else writes this value's times.
        Some(connection) if unsafe { (*connection).established_ns } == 0 => unsafe {
            (*connection).established_ns = now();
        },
        // The handshake of an accepted connection is complete. One begun here comes from `SYN_RECV` only where both ends
        // connect to each other, and then it is in the map and not established. What is, and was looked at by nobody, had the
        // socket's place before, and its end was missed.
        found if before == SYN_RECV => {
            if is_first || found.is_none() {
                let _ = accept(sock, 0);
            }
        }
        // No program was run for its `SYN_SENT`.
        None => _ = attempt::establish(sock),
        Some(_) => {}
    }
}
