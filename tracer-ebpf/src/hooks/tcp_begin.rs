//! A connection of TCP begins: here or from outside, as a contact or as a further subflow of one.

use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::debug;
use tracer_common::{
    Connection, Counts, DestinationKey,
    map::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIED, CONNECTION_CARRIER, CONNECTION_JOINED,
        DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP, counter,
    },
};

use crate::{
    address::remote,
    clock::{now, zero},
    counts::{NOT_THERE, add, add_one, find, find_or_make, key, subtract_one, tally},
    hooks::{
        attempt, listener,
        multipath::{self, Subflow},
    },
    maps::CONNECTIONS,
    memory::read,
    offsets::{SOCK_LOCAL_PORT, SOCK_PROTOCOL},
    process,
};

/// `BPF_ANY`: insert or replace.
const ANY: u64 = 0;

/// `SYN_SENT`: in the context of who connects.
#[inline(always)]
pub fn begin(context: &RawTracePointContext, sock: u64) {
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
        process::current(context, sock),
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

/// A connection that came to this machine: it belongs to who listens.
#[inline(always)]
pub fn accept(context: &RawTracePointContext, sock: u64) {
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
