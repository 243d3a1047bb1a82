//! The life of a TCP connection: attempt, established, failed with its reason, closed.

use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns, macros::raw_tracepoint, programs::RawTracePointContext,
};
use aya_log_ebpf::debug;
use tracer_common::{
    Connection, Counts, DestinationKey, Record,
    map::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIED, CONNECTION_CARRIER, CONNECTION_JOINED,
        CONNECTION_NO_CONTACT, DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP, counter,
    },
    outcome, record,
};

use crate::{
    address::remote,
    counts::{NOT_THERE, add, add_one, find, find_or_make, key, subtract_one, tally},
    emit::emit,
    hooks::{
        attempt, flow, listener,
        multipath::{self, Subflow},
        sample::{Payload, payload},
    },
    maps::{CONNECTIONS, OLDER},
    memory::read,
    offsets::{
        SOCK_COOKIE, SOCK_ERROR, SOCK_LOCAL_PORT, SOCK_PROTOCOL, SOCK_SHUTDOWN, SOCK_STATE,
        TCP_SEGMENTS_OUT,
    },
    process,
};

// include/net/tcp_states.h; part of the kernel's interface to user space (`tcp_info.tcpi_state`).
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const CLOSE: i32 = 7;
const LISTEN: i32 = 10;

/// `IPPROTO_MPTCP` (include/uapi/linux/in.h), since 5.6.
const IPPROTO_MPTCP: u16 = 262;

/// `BPF_ANY`: insert or replace.
const ANY: u64 = 0;

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
fn begin(context: &RawTracePointContext, sock: u64) {
    // SCTP, DCCP and MPTCP's own socket pass this tracepoint too.
    if read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP) {
        return;
    }
    attempt::strike_off();
    let subflow = multipath::subflow(sock);
    if join(context, sock, subflow.as_ref(), 0) {
        return;
    }
    let mut destination = key(
        process::current(context),
        remote(sock),
        PROTOCOL_TCP,
        DIRECTION_OUT,
    );
    let Some(counts) = find_or_make(&mut destination) else {
        return;
    };
    // SAFETY: a field of a live map value; no reference is made.
    add(unsafe { &raw mut (*counts).connections }, 1);
    let flags = carry(context, subflow.as_ref(), destination, counts);
    follow(context, sock, destination, counts, zero(), flags);
}

/// Follows a subflow that joins a contact. `false` where it is a contact of its own.
#[inline(always)]
fn join(context: &RawTracePointContext, sock: u64, subflow: Option<&Subflow>, flags: u32) -> bool {
    let Some(destination) = subflow.and_then(Subflow::joined) else {
        return false;
    };
    if !multipath::counts_bytes()
        && let Some(counts) = find(&destination)
    {
        follow_beside(
            context,
            sock,
            destination,
            counts,
            CONNECTION_JOINED | flags,
        );
    }
    true
}

/// Follows the connection of MPTCP whose first subflow is a contact. Returns the flags of that subflow.
#[inline(always)]
fn carry(
    context: &RawTracePointContext,
    subflow: Option<&Subflow>,
    destination: DestinationKey,
    counts: *mut Counts,
) -> u32 {
    let Some(subflow) = subflow else {
        return 0;
    };
    subflow.begin(&destination);
    if !multipath::counts_bytes() {
        return 0;
    }
    let carrier = CONNECTION_CARRIER;
    follow_beside(context, subflow.connection, destination, counts, carrier);
    CONNECTION_CARRIED
}

/// Follows what is no contact of its own. The contact is not over before it has ended too, which adds one again.
#[inline(always)]
fn follow_beside(
    context: &RawTracePointContext,
    sock: u64,
    destination: DestinationKey,
    counts: *mut Counts,
    flags: u32,
) {
    // SAFETY: a field of a live map value; no reference is made.
    subtract_one(unsafe { &raw mut (*counts).ended });
    follow(context, sock, destination, counts, zero(), flags);
}

/// Keeps what is known of a new connection until its end. `established_ns` is 0 for an attempt.
#[inline(always)]
fn follow(
    context: &RawTracePointContext,
    sock: u64,
    destination: DestinationKey,
    counts: *mut Counts,
    established_ns: u64,
    flags: u32,
) {
    let zero = zero();
    let connection = Connection {
        destination,
        began_ns: now(),
        established_ns,
        sampled_ns: zero,
        sent: zero,
        received: zero,
        cookie: zero,
        error: 0,
        flags,
    };
    if CONNECTIONS.insert(&sock, &connection, NOT_THERE).is_ok() {
        return;
    }
    if let Some(previous) = CONNECTIONS.get_ptr(&sock) {
        // SAFETY: a live map value; nobody else changes its destination.
        let previous = unsafe { (*previous).destination };
        if let Some(counts) = find(&previous) {
            // SAFETY: as above.
            add_one(unsafe { &raw mut (*counts).ended });
        }
        tally(counter::END_MISSED);
        if CONNECTIONS.insert(&sock, &connection, ANY).is_ok() {
            return;
        }
    }
    // SAFETY: as in `begin`.
    add_one(unsafe { &raw mut (*counts).ended });
    tally(counter::CONNECTIONS_FULL);
    debug!(
        context,
        "no room for connection to port {}", connection.destination.port
    );
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

/// A connection that came to this machine: it belongs to who listens.
#[inline(always)]
fn accept(context: &RawTracePointContext, sock: u64) {
    if read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP) {
        return;
    }
    let subflow = multipath::subflow(sock);
    if join(context, sock, subflow.as_ref(), CONNECTION_ACCEPTED) {
        return;
    }
    let mut destination = key(
        listener::owner(sock),
        (remote(sock).0, read(sock, &SOCK_LOCAL_PORT)),
        PROTOCOL_TCP,
        DIRECTION_IN,
    );
    let Some(counts) = find_or_make(&mut destination) else {
        return;
    };
    // SAFETY: fields of a live map value; no reference is made.
    unsafe {
        add(&raw mut (*counts).connections, 1);
        add(&raw mut (*counts).established, 1);
    }
    let flags = carry(context, subflow.as_ref(), destination, counts) | CONNECTION_ACCEPTED;
    follow(context, sock, destination, counts, now(), flags);
}

#[inline(always)]
fn close(sock: u64, after_handshake: bool) {
    if end(sock, after_handshake) {
        return;
    }
    if read::<u16>(sock, &SOCK_PROTOCOL) == IPPROTO_MPTCP {
        multipath::end(sock);
    } else {
        end_older(sock);
    }
}

/// The end of a connection begun here; `false` where `sock` is none. `after_handshake`: the state that was left is one
/// behind the handshake.
#[inline(always)]
fn end(sock: u64, after_handshake: bool) -> bool {
    let Some(connection) = CONNECTIONS.get_ptr(&sock) else {
        return false;
    };
    // SAFETY: a live map value, copied before it is removed.
    let connection = unsafe { *connection };
    // First removed, then counted: a reader that takes the counters before the connections never sees a byte twice.
    if CONNECTIONS.remove(&sock).is_err() {
        return true;
    }
    if connection.flags & CONNECTION_CARRIER != 0 {
        multipath::end(sock);
    }
    let payload = payload(sock, connection.flags);
    let is_contact = connection.flags & CONNECTION_NO_CONTACT == 0;
    let Some(counts) = find(&connection.destination) else {
        return true;
    };
    let at_ns = now();
    let mut record = Record {
        destination: connection.destination,
        began_ns: connection.began_ns,
        established_ns: connection.established_ns,
        at_ns,
        sent: payload.sent,
        received: payload.received,
        kind: record::CLOSED,
        reason: 0,
    };
    // SAFETY: fields of a live map value; no reference is made.
    unsafe {
        if connection.established_ns == 0 && is_contact {
            // A handshake that was missed, as an end can be (see `tcp_end`), is told by what came after it. What was sent
            // tells nothing: a SYN of TCP Fast Open carries data.
            if after_handshake || payload.received != 0 {
                add(&raw mut (*counts).established, 1);
            } else {
                let reason = reason(sock, connection.error);
                record.kind = record::FAILED;
                record.reason = reason as u32;
                add_one((&raw mut (*counts).failed).cast::<u32>().add(reason));
            }
        }
        if payload.sent != 0 {
            add(&raw mut (*counts).sent, payload.sent);
        }
        if payload.received != 0 {
            add(&raw mut (*counts).received, payload.received);
        }
    }
    // Details are for the histograms, which are of contacts begun.
    if connection.destination.direction == DIRECTION_OUT && is_contact {
        emit(record);
    }
    // Last: a program whose connections have all ended is forgotten, and its details must be in the ring buffer by then.
    // SAFETY: as above.
    add_one(unsafe { &raw mut (*counts).ended });
    true
}

/// A socket that was there before the tracer: what passed since then counts.
#[inline(always)]
fn end_older(sock: u64) {
    let cookie: u64 = read(sock, &SOCK_COOKIE);
    // The kernel gives a cookie when somebody asks for it: the tracer asked, at its start, for those of all sockets.
    if cookie == 0 {
        return;
    }
    let Some(older) = OLDER.get_ptr(&cookie) else {
        return;
    };
    // SAFETY: a live map value, copied before it is removed.
    let older = unsafe { *older };
    if OLDER.remove(&cookie).is_err() {
        return;
    }
    let accepted = older.destination.direction == DIRECTION_IN;
    let flags = if accepted { CONNECTION_ACCEPTED } else { 0 };
    let Payload { sent, received } = payload(sock, flags);
    if let Some(counts) = find(&older.destination) {
        // SAFETY: fields of a live map value.
        unsafe {
            add(&raw mut (*counts).sent, sent.saturating_sub(older.sent));
            add(
                &raw mut (*counts).received,
                received.saturating_sub(older.received),
            );
        }
    }
}

/// Why an attempt failed, from what the socket says in the moment of its end, or said before.
#[inline(always)]
fn reason(sock: u64, before: i32) -> usize {
    let now: i32 = read(sock, &SOCK_ERROR);
    match outcome::of_errno(if now == 0 { before } else { now }) {
        Some(reason) => reason,
        // `tcp_reset` and the ICMP handlers set the error before the state; `close` and `disconnect` set none.
        None if read::<u32>(sock, &TCP_SEGMENTS_OUT) == 0
            && read::<u8>(sock, &SOCK_SHUTDOWN) == 0 =>
        {
            outcome::UNREACHABLE
        }
        None => outcome::CANCELLED,
    }
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper reads a clock.
    unsafe { bpf_ktime_get_ns() }
}

/// Zero, of which the compiler does not know that it is: it would make a call of a row of zeroes, which sets a byte at a
/// time.
#[inline(always)]
fn zero() -> u64 {
    core::hint::black_box(0)
}
