//! Flows of datagrams: one socket and one remote, from the first datagram that passes between them.
//!
//! The first one that is sent opens a contact of the sender's, whose context this runs in. The first one that comes from a
//! stranger opens a contact that is accepted: it belongs to whose the socket is. User space ends flows, since no program
//! could go through all flows of a socket that closes.

use tracer_common::{
    DestinationKey, Flow, FlowKey,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP, PROTOCOL_UDP, counter},
};

use crate::{
    address::remote,
    counts::{NOT_THERE, add, find, find_or_make, key, tally},
    maps::{ARRIVED, FLOWS, SECONDS, SOCKETS},
    memory::read,
    offsets::{SOCK_ERROR, SOCK_PROTOCOL},
    socket,
};

/// A datagram that passes.
pub struct Datagram {
    pub flow: FlowKey,
    /// The local port, in the machine's byte order; 0 where the protocol has none.
    pub local_port: u16,
    /// Payload.
    pub bytes: u64,
}

/// Seconds since the tracer began.
#[inline(always)]
pub fn second() -> u32 {
    // SAFETY: the only element of an array, which is always there.
    SECONDS
        .get_ptr(0)
        .map_or(0, |second| unsafe { core::ptr::read_volatile(second) })
}

/// It leaves. `sender` says who is running, and is asked for a new flow only.
#[inline(always)]
pub fn leave(datagram: &Datagram, socket: u64, sender: impl FnOnce() -> Option<u64>) {
    if let Some(flow) = FLOWS.get_ptr_mut(&datagram.flow) {
        let destination = touch(flow, DIRECTION_IN);
        if let Some(counts) = find(&destination) {
            // SAFETY: a field of a live map value; no reference is made.
            add(unsafe { &raw mut (*counts).sent }, datagram.bytes);
        }
        return;
    }
    let Some(sender) = sender() else {
        return;
    };
    socket::own(socket, datagram.flow.socket, sender);
    let destination = key(
        sender,
        (datagram.flow.address, datagram.flow.port),
        datagram.flow.protocol,
        DIRECTION_OUT,
    );
    open(datagram, socket, destination);
}

/// A call that was to send a datagram over an open flow has failed: `error` is negative. If nothing ever passes, that is
/// why.
#[inline(always)]
pub fn fail_to_leave(key: &FlowKey, error: i32) {
    if let Some(flow) = FLOWS.get_ptr_mut(key) {
        // SAFETY: a field of a live map value; of two calls either may be the last.
        unsafe { (*flow).error = error.wrapping_neg() };
    }
}

/// It arrives, in softirq. `is_kernels` says whether the socket is one of the kernel's own.
#[inline(always)]
pub fn arrive(datagram: &Datagram, socket: u64, is_kernels: impl FnOnce() -> bool) {
    let destination = if let Some(flow) = FLOWS.get_ptr_mut(&datagram.flow) {
        let destination = touch(flow, DIRECTION_OUT);
        if let Some(counts) = find(&destination) {
            // SAFETY: as in `leave`.
            add(unsafe { &raw mut (*counts).received }, datagram.bytes);
        }
        destination
    } else {
        if is_kernels() {
            return;
        }
        let destination = key(
            socket::owner(socket, datagram.flow.socket),
            (datagram.flow.address, datagram.local_port),
            datagram.flow.protocol,
            DIRECTION_IN,
        );
        open(datagram, socket, destination)
    };
    if let Some(arrived) = ARRIVED.get_ptr_mut(0) {
        // SAFETY: this processor's own value; softirq does not interrupt itself.
        unsafe {
            (*arrived).socket = socket;
            (*arrived).destination = destination;
            (*arrived).bytes = datagram.bytes;
        }
    }
}

/// The datagram that arrived last on this processor found the queue of the socket at `sock` full. Other kinds of sockets
/// have such queues too, and are not meant.
#[inline(always)]
pub fn refuse_last(sock: u64) {
    let Some(arrived) = ARRIVED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: as in `arrive`.
    let arrived = unsafe { &mut *arrived };
    if arrived.socket != socket::key_of(sock) {
        return;
    }
    if let Some(counts) = find(&arrived.destination) {
        // SAFETY: as in `leave`.
        add(
            unsafe { &raw mut (*counts).received },
            arrived.bytes.wrapping_neg(),
        );
    }
    arrived.bytes = 0;
}

/// An ICMP error has come back for a socket that is connected: kept, to say at the flow's end why nobody answered.
#[inline(always)]
pub fn fail(sock: u64) {
    if read::<u16>(sock, &SOCK_PROTOCOL) == u16::from(PROTOCOL_TCP) {
        return;
    }
    let Some(identity) = socket::identity_of(sock) else {
        return;
    };
    let (address, port) = remote(sock);
    let key = FlowKey {
        socket: identity,
        address,
        port,
        protocol: PROTOCOL_UDP,
        padding: [0; 5],
    };
    if let Some(flow) = FLOWS.get_ptr_mut(&key) {
        // SAFETY: a field of a live map value; of two errors either may be the last.
        unsafe { (*flow).error = read(sock, &SOCK_ERROR) };
    }
}

/// Notes that a datagram passes over an open flow. One against the direction `answers` is an answer. Returns where the
/// flow is counted.
#[inline(always)]
fn touch(flow: *mut Flow, answers: u8) -> DestinationKey {
    // SAFETY: a live map value.
    let flow = unsafe { &mut *flow };
    let now = second();
    // Written only where it changes: two processors need not pass the line to and fro.
    if flow.last_second != now {
        flow.last_second = now;
    }
    // Two answers at once write the same. User space counts answered flows, so neither counts twice.
    if flow.answered == 0 && flow.destination.direction == answers {
        flow.answered = 1;
    }
    flow.destination
}

/// Opens a flow and counts its first datagram. Returns where it is counted.
#[inline(always)]
fn open(datagram: &Datagram, socket: u64, mut destination: DestinationKey) -> DestinationKey {
    let Some(counts) = find_or_make(&mut destination) else {
        return destination;
    };
    let flow = Flow {
        destination,
        last_second: second(),
        answered: 0,
        error: 0,
        followed: u32::from(SOCKETS.get_ptr(&socket).is_some()),
    };
    // SAFETY: fields of a live map value; no reference is made.
    let (connections, bytes) = unsafe {
        (
            &raw mut (*counts).connections,
            if destination.direction == DIRECTION_IN {
                &raw mut (*counts).received
            } else {
                &raw mut (*counts).sent
            },
        )
    };
    add(bytes, datagram.bytes);
    if FLOWS.insert(&datagram.flow, &flow, NOT_THERE).is_ok() {
        add(connections, 1);
        return destination;
    }
    // Another thread of the program opened it in between, or there is no room.
    if FLOWS.get_ptr(&datagram.flow).is_none() {
        add(connections, 1);
        tally(counter::FLOWS_FULL);
    }
    destination
}
