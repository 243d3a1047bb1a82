//! Flows of datagrams: one socket and one remote, from the first datagram that passes between them.
//!
//! The first one that is sent opens a contact of the sender's, whose context this runs in. The first one that comes from a
//! stranger opens a contact that is accepted: it belongs to whose the socket is. What passes is counted in the flow: one
//! look-up for a datagram. User space ends flows, since no program could go through all flows of a socket that closes.

use core::ptr::copy_nonoverlapping;

use tracer_common::{
    DestinationKey, Flow, FlowKey, Sending,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP, PROTOCOL_UDP, SILENCE, counter},
    outcome,
};

use super::fast_path;
use crate::{
    address::remote,
    counts::{NOT_THERE, add, add_one, find, find_or_make, key, tally},
    maps::{ARRIVED, FLOWS, SECONDS, SOCKETS},
    memory::read,
    offsets::{BY_ADDRESS, SOCK_ERROR, SOCK_PROTOCOL},
    socket,
};

/// A datagram that passes.
pub struct Datagram {
    pub flow: FlowKey,
    /// The local port, in the machine's byte order; 0 where the protocol has none.
    pub local_port: u16,
    /// Payload.
    pub bytes: u64,
    /// Address of the `struct sock`; 0 where it does not matter: for a flow that is open, and for one of no socket.
    pub sock: u64,
}

/// Seconds since the tracer began.
#[inline(always)]
pub fn second() -> u32 {
    // SAFETY: the only element of an array, which is always there.
    SECONDS
        .get_ptr(0)
        .map_or(0, |second| unsafe { core::ptr::read_volatile(second) })
}

/// It leaves. `sender` says who is running, and is asked for a new flow only. Returns where its contact is counted.
#[inline(always)]
pub fn leave(
    datagram: &Datagram,
    socket: u64,
    sender: impl FnOnce() -> Option<u64>,
) -> Option<DestinationKey> {
    if let Some(flow) = leave_over_open(datagram) {
        // SAFETY: a field of a live map value; no reference is made.
        return Some(unsafe { (*flow).destination });
    }
    let sender = sender()?;
    socket::own(socket, datagram.flow.socket, sender);
    let destination = key(
        sender,
        (datagram.flow.address, datagram.flow.port),
        datagram.flow.protocol,
        DIRECTION_OUT,
    );
    Some(open(datagram, socket, destination))
}

/// It leaves, if its flow is open. Returns the flow.
#[inline(always)]
pub fn leave_over_open(datagram: &Datagram) -> Option<*mut Flow> {
    let flow = pass(&datagram.flow, DIRECTION_IN)?;
    // SAFETY: a field of a live map value; no reference is made.
    add(unsafe { &raw mut (*flow).sent }, datagram.bytes);
    Some(flow)
}

/// A call that was noted when it began has sent `bytes`.
#[inline(always)]
pub fn sent(sending: &Sending, bytes: u64) {
    if let Some(flow) = pass(&sending.flow, DIRECTION_IN) {
        // SAFETY: fields of a live map value; no reference is made to what others add to.
        unsafe {
            add(&raw mut (*flow).sent, bytes);
            if (*flow).refused != 0 {
                (*flow).refused = 0;
            }
        }
    } else if let Some(counts) = find(&sending.destination) {
        // SAFETY: as above.
        add(unsafe { &raw mut (*counts).sent }, bytes);
    }
}

/// A call that was to send a datagram over an open flow has failed: `error` is negative. If nothing ever passes, that is
/// why.
#[inline(always)]
pub fn fail_to_leave(key: &FlowKey, error: i32) {
    if let Some(flow) = FLOWS.get_ptr_mut(key) {
        // SAFETY: a field of a live map value; of two calls either may be the last.
        unsafe { (*flow).refused = error.wrapping_neg() };
    }
}

/// It arrives, in softirq. `is_kernels` says whether the socket is one of the kernel's own.
#[inline(always)]
pub fn arrive(datagram: &Datagram, socket: u64, is_kernels: impl FnOnce() -> bool) {
    if arrive_over_open(datagram, socket) || is_kernels() {
        return;
    }
    let destination = key(
        socket::owner(socket, datagram.flow.socket),
        (datagram.flow.address, datagram.local_port),
        datagram.flow.protocol,
        DIRECTION_IN,
    );
    let destination = open(datagram, socket, destination);
    remember(datagram, socket, &raw const destination);
}

/// It arrives, if its flow is open.
#[inline(always)]
pub fn arrive_over_open(datagram: &Datagram, socket: u64) -> bool {
    let Some(flow) = pass(&datagram.flow, DIRECTION_OUT) else {
        return false;
    };
    // SAFETY: fields of a live map value; no reference is made.
    unsafe {
        add(&raw mut (*flow).received, datagram.bytes);
        remember(datagram, socket, &raw const (*flow).destination);
    }
    true
}

/// This arrived last on this processor, should its socket's queue be found full.
#[inline(always)]
fn remember(datagram: &Datagram, socket: u64, destination: *const DestinationKey) {
    let Some(arrived) = ARRIVED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this processor's own value; softirq does not interrupt itself. `destination` lies in another map or on the
    // stack. Said to the compiler, which would make a call of a copy that may overlap.
    unsafe {
        (*arrived).socket = socket;
        copy_nonoverlapping(&raw const datagram.flow, &raw mut (*arrived).flow, 1);
        copy_nonoverlapping(destination, &raw mut (*arrived).destination, 1);
        (*arrived).bytes = datagram.bytes;
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
    if BY_ADDRESS.load() == 0 && arrived.socket == sock {
        fast_path::take_back(sock, arrived.bytes);
        arrived.bytes = 0;
        return;
    }
    if arrived.socket != socket::key_of(sock) {
        return;
    }
    let less = arrived.bytes.wrapping_neg();
    if let Some(flow) = FLOWS.get_ptr_mut(&arrived.flow) {
        // SAFETY: as in `leave`.
        add(unsafe { &raw mut (*flow).received }, less);
    } else if let Some(counts) = find(&arrived.destination) {
        // SAFETY: as in `leave`.
        add(unsafe { &raw mut (*counts).received }, less);
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
        padding: 0,
        more_padding: 0,
    };
    if let Some(flow) = FLOWS.get_ptr_mut(&key) {
        // SAFETY: a field of a live map value; of two errors either may be the last.
        unsafe { (*flow).error = read(sock, &SOCK_ERROR) };
    }
}

/// The flow of that key, over which a datagram passes. One against the direction `answers` is an answer.
///
/// A flow that was silent for too long is over, and is ended here: user space, which also ends such flows, comes later, and
/// what either has removed nobody adds to any more.
#[inline(always)]
pub fn pass(key: &FlowKey, answers: u8) -> Option<*mut Flow> {
    let flow = FLOWS.get_ptr_mut(key)?;
    let now = second();
    // SAFETY: fields of live map values.
    let (last, slot) = unsafe { ((*flow).last_second, (*flow).slot) };
    if is_silent(last, now) {
        // What passes on the fast path is not noted here. SAFETY: as above.
        let elsewhere = fast_path::of(key, slot).map(|fast| unsafe { (*fast).last_second });
        if elsewhere.is_none_or(|last| is_silent(last, now)) {
            end(key, flow);
            return None;
        }
    }
    // Written only where it changes: two processors need not pass the line to and fro.
    if last != now {
        // SAFETY: as above.
        unsafe { (*flow).last_second = now };
    }
    // SAFETY: as above. Two answers at once write the same; user space counts answered flows, so neither counts twice.
    unsafe {
        if (*flow).answered == 0 && (*flow).destination.direction == answers {
            (*flow).answered = 1;
        }
    }
    Some(flow)
}

/// Whether a flow over which something passed last at `last` is over. Another processor's second may be one ahead of this one's.
#[inline(always)]
pub fn is_silent(last: u32, now: u32) -> bool {
    now.wrapping_sub(last).cast_signed() > SILENCE as i32
}

/// Ends a flow: counts its outcome, and what passed over it.
#[inline(always)]
pub fn end(key: &FlowKey, flow: *mut Flow) {
    // SAFETY: a live map value, copied before it is removed; nobody adds to one that is over.
    let flow = unsafe { *flow };
    if FLOWS.remove(key).is_err() {
        return;
    }
    let (mut sent, mut received, mut answered) = (flow.sent, flow.received, flow.answered != 0);
    if let Some(fast) = fast_path::of(key, flow.slot) {
        // SAFETY: fields of a live map value. Nobody adds to it after so long a silence.
        unsafe {
            (*fast).sock = 0;
            sent += (*fast).sent;
            received += (*fast).received;
            answered |= (*fast).answered != 0;
        }
    }
    let Some(counts) = find(&flow.destination) else {
        return;
    };
    // SAFETY: fields of a live map value; no reference is made. The reason is one of the list.
    unsafe {
        add(&raw mut (*counts).sent, sent);
        add(&raw mut (*counts).received, received);
        if answered {
            add(&raw mut (*counts).established, 1);
        } else {
            let reason = outcome::of_silence(flow.error, flow.refused);
            add_one((&raw mut (*counts).failed).cast::<u32>().add(reason));
        }
    }
}

/// Opens a flow and counts its first datagram. Returns where it is counted.
#[inline(always)]
pub fn open(datagram: &Datagram, socket: u64, mut destination: DestinationKey) -> DestinationKey {
    let Some(counts) = find_or_make(&mut destination) else {
        return destination;
    };
    let (sent, received) = if destination.direction == DIRECTION_IN {
        (0, datagram.bytes)
    } else {
        (datagram.bytes, 0)
    };
    let now = second();
    let flow = Flow {
        destination,
        sent,
        received,
        last_second: now,
        answered: 0,
        followed: u16::from(SOCKETS.get_ptr(&socket).is_some()),
        error: 0,
        refused: 0,
        sock: datagram.sock,
        opened: now,
        slot: fast_path::slot_of(datagram.sock),
    };
    if FLOWS.insert(&datagram.flow, &flow, NOT_THERE).is_ok() {
        // SAFETY: a field of a live map value; no reference is made.
        add(unsafe { &raw mut (*counts).connections }, 1);
        return destination;
    }
    // Another thread of the program opened it in between, or there is no room.
    let there = FLOWS.get_ptr_mut(&datagram.flow);
    // SAFETY: as above.
    unsafe {
        if let Some(flow) = there {
            add(&raw mut (*flow).sent, sent);
            add(&raw mut (*flow).received, received);
        } else {
            add(&raw mut (*counts).connections, 1);
            add(&raw mut (*counts).sent, sent);
            add(&raw mut (*counts).received, received);
            tally(counter::FLOWS_FULL);
        }
    }
    destination
}
