//! The life of a TCP connection: attempt, established, failed with its reason, closed.

use super::{
    attempt, flow, listener, past,
    tcp_begin::{accept, arrive, begin, complete},
    tcp_close::{close, end},
};
use crate::{
    clock::now,
    maps::{CONNECTIONS, LATEST_CHANGE},
    memory::read,
    offsets::{IS_PREEMPTED, SOCK_ERROR, SOCK_STATE},
};
use aya_ebpf::{
    EbpfContext as _,
    macros::{kprobe, raw_tracepoint, tracepoint},
    programs::{ProbeContext, RawTracePointContext, TracePointContext},
};
use core::ptr::read_volatile;
use tracer_common::map::CONNECTION_PENDING;

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
    change_state(context.arg(0), context.arg(1), context.arg(2));
    0
}

/// The same tracepoint as perf has it, in place of `tcp_life` from Linux 7 on.
///
/// There a task that preempts another one in the middle of `tcp_life` runs no `tcp_life` on that processor until the other goes on:
/// for milliseconds. perf keeps the processor while it runs this. It is skipped in the middle of any other program of perf, or of a
/// system call that reads a map, and then `tcp_nested` makes up for it.
#[tracepoint(category = "sock", name = "inet_sock_set_state")]
pub fn tcp_unpreempted(context: TracePointContext) -> u32 {
    // The format of the event, in tracefs: eight bytes that all events have, then the three arguments.
    let event = context.as_ptr().cast_const().cast::<u64>();
    // SAFETY: the kernel admits reads of the event within its bounds.
    let (sock, states) = unsafe { (read_volatile(event.add(1)), read_volatile(event.add(2))) };
    // The first of two integers is the lower half, or where the machine is big-endian the upper one.
    let [before, after] = if cfg!(target_endian = "little") {
        [states as i32, (states >> 32) as i32]
    } else {
        [(states >> 32) as i32, states as i32]
    };
    change_state(sock, before, after);
    0
}

#[inline(always)]
fn change_state(sock: u64, before: i32, after: i32) {
    let Some(latest) = LATEST_CHANGE.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this processor's own value.
    unsafe { *latest = change(sock, after) };
    match after {
        SYN_SENT => {
            past::learn(sock);
            let _ = begin(sock);
        }
        ESTABLISHED => establish(sock, before, true),
        SYN_RECV if before == LISTEN => _ = arrive(sock),
        LISTEN => _ = listener::begin(sock),
        CLOSE if before == LISTEN => _ = listener::end(sock),
        CLOSE => close(sock, is_behind_handshake(before), true),
        _ => {}
    }
}

/// The same tracepoint, behind `tcp_life`: the changes for which the kernel did not run that.
///
/// The kernel skips a raw tracepoint's program that would interrupt itself on a processor (since 6.1). Softirq that comes in
/// the middle of `tcp_life` may bring dozens of changes on a busy machine, and it is run for none of them. This program is
/// another one: it is skipped only in the middle of itself, and then `tcp_life` is not. From Linux 7 on it stands behind
/// `tcp_unpreempted` instead, which is skipped for other reasons, in a task's own context too.
///
/// Where softirq comes between the two programs, the change seems to be another's and is looked at again. So it has to be one
/// of those that are found done then. The others do not come in softirq, or mean nothing to us.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn tcp_nested(context: RawTracePointContext) -> i32 {
    let sock: u64 = context.arg(0);
    let (before, after): (i32, i32) = (context.arg(1), context.arg(2));
    let comes = after == SYN_RECV && before == LISTEN;
    // What does not come in softirq is skipped only where a task may preempt another in the middle of a program.
    let begins = IS_PREEMPTED.load() != 0 && (after == SYN_SENT || after == LISTEN);
    if after != ESTABLISHED && after != CLOSE && !comes && !begins {
        return 0;
    }
    let Some(latest) = LATEST_CHANGE.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: this processor's own value.
    let latest = unsafe { &mut *latest };
    if *latest == change(sock, after) {
        *latest = 0;
    } else if after == CLOSE && before == LISTEN {
        let _ = listener::end(sock);
    } else if begins && after == LISTEN {
        let _ = listener::begin(sock);
    } else if begins || comes {
        // What is followed has begun just now.
        if CONNECTIONS.get_ptr(&sock).is_none() {
            let _ = if comes { arrive(sock) } else { begin(sock) };
        }
    } else if after == ESTABLISHED {
        establish(sock, before, false);
    } else {
        close(sock, is_behind_handshake(before), false);
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
fn change(sock: u64, after: i32) -> u64 {
    sock.wrapping_add(u64::from(after.cast_unsigned()))
}

/// `tcp:tcp_destroy_sock(struct sock *sk)`, since 4.16: the last word of a TCP socket.
///
/// It finds something to do only where no program was run for the change of state before.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub fn tcp_end(context: RawTracePointContext) -> i32 {
    destroy(context.arg(0));
    0
}

/// The same tracepoint as perf has it, as `tcp_unpreempted` is to `tcp_life`. Whichever comes second finds nothing to do.
#[tracepoint(category = "tcp", name = "tcp_destroy_sock")]
pub fn tcp_end_kept(context: TracePointContext) -> u32 {
    // SAFETY: as in `tcp_unpreempted`.
    destroy(unsafe { read_volatile(context.as_ptr().cast_const().cast::<u64>().add(1)) });
    0
}

#[inline(always)]
fn destroy(sock: u64) {
    if !end(sock, false) {
        let _ = attempt::close(sock, false);
    }
}

/// `sock:inet_sk_error_report(const struct sock *sk)`, since 5.14: an error for the program that owns the socket.
///
/// When the end of a failed attempt is missed, this still runs in the moment of the failure, while the socket says why.
/// Before 6.10 it runs ahead of the change of state, and then the error is kept for `tcp_end`.
///
/// It runs for sockets of datagrams too: an ICMP error that came back for one that is connected.
#[raw_tracepoint(tracepoint = "inet_sk_error_report")]
pub fn tcp_error(context: RawTracePointContext) -> i32 {
    report(context.arg(0));
    0
}

/// The same once more, from Linux 7 on, for what comes where a preempted task is in the middle of `tcp_error`: perf's form of this
/// tracepoint does not say which socket it is. Whichever comes second finds what the first has written.
#[raw_tracepoint(tracepoint = "inet_sk_error_report")]
pub fn tcp_error_again(context: RawTracePointContext) -> i32 {
    report(context.arg(0));
    0
}

/// `void sock_def_error_report(struct sock *sk)`, since ever: before 5.14, in place of `tcp_error`.
#[kprobe]
pub fn tcp_error_told(context: ProbeContext) -> u32 {
    if let Some(sock) = context.arg(0) {
        report(sock);
    }
    0
}

#[inline(always)]
fn report(sock: u64) {
    let Some(connection) = CONNECTIONS.get_ptr_mut(&sock) else {
        let _ = flow::fail(sock);
        return;
    };
    if i32::from(read::<u8>(sock, &SOCK_STATE)) == CLOSE {
        end(sock, false);
        return;
    }
    let error: i32 = read(sock, &SOCK_ERROR);
    // The program that owns the socket may have taken it already.
    if error != 0 {
        // SAFETY: a field of a live map value that nobody else writes.
        unsafe { (*connection).error = error as i16 };
    }
}

/// `is_first`: nobody has looked at this change before.
#[inline(always)]
fn establish(sock: u64, before: i32, is_first: bool) {
    match CONNECTIONS.get_ptr_mut(&sock) {
        // SAFETY: as below.
        Some(connection) if u32::from(unsafe { (*connection).flags }) & CONNECTION_PENDING != 0 => {
            let _ = complete(sock, 0);
        }
        // SAFETY: the state changes of one socket do not run at once, so nobody else writes this value's times.
        Some(connection) if unsafe { (*connection).established_ns } == 0 => unsafe {
            (*connection).established_ns = now();
        },
        // The handshake of an accepted connection is complete. One begun here comes from `SYN_RECV` only where both ends
        // connect to each other, and then it is in the map and not established. What is, and was looked at by nobody, had the
        // socket's place before, and its end was missed.
        found if before == SYN_RECV => {
            if is_first || found.is_none() {
                let _ = accept(sock);
            }
        }
        // No program was run for its `SYN_SENT`.
        None => _ = attempt::establish(sock),
        Some(_) => {}
    }
}
