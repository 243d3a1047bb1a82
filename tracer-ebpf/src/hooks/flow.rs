//! Flows of datagrams: one socket and one remote, from the first datagram that passes between them.
//!
//! The first one that is sent opens a contact of the sender's, whose context this runs in. The first one that comes from a
//! stranger opens a contact that is accepted: it belongs to whose the socket is. What passes is counted in the flow: one
//! look-up for a datagram. User space ends flows, since no program could go through all flows of a socket that closes.

use tracer_common::{
    DestinationKey, Flow, FlowKey, Record, Sending,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP, PROTOCOL_UDP, SILENCE, counter},
    outcome, record,
};

use super::{
    arrived::{ALONE, NEW_FLOW, OPEN_FLOW, remember},
    fast_path,
};
use crate::{
    address::{interface, namespace, none, remote},
    clock::{now, zero},
    counts::{self, NOT_THERE, add, count_bytes, key, tally},
    emit::emit,
    maps::{FLOWS, SECONDS, SOCKETS},
    memory::read,
    offsets::{SOCK_ERROR, SOCK_PROTOCOL},
    process, socket,
};

/// A datagram that passes.
#[derive(Clone, Copy, Default)]
pub struct Datagram {
    pub flow: FlowKey,
    /// The local port, in the machine's byte order; 0 where the protocol has none.
    pub local_port: u16,
    /// Payload.
    pub bytes: u64,
    /// Address of the `struct sock`; 0 where it does not matter: for a flow that is open, and for one of no socket.
    pub sock: u64,
    /// Address of the `struct sk_buff`; 0 where no packet is known.
    pub packet: u64,
    /// As [`Flow::led`].
    pub led: u32,
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
    Some(begin(datagram, socket, sender))
}

/// The same of the first one of a flow, as [`arrive_first`]. Of a socket that is closed nobody would tell the end, so it is not owned.
#[inline(never)]
pub fn leave_first(datagram: &Datagram, socket: u64, sender: u64) -> u32 {
    if !socket::is_closed(datagram.sock) {
        socket::own(socket, datagram.flow.socket, sender);
    }
    let _ = begin(datagram, socket, sender);
    0
}

#[inline(always)]
fn begin(datagram: &Datagram, socket: u64, sender: u64) -> DestinationKey {
    let destination = key(
        sender,
        (datagram.flow.address, datagram.flow.port),
        datagram.flow.protocol,
        DIRECTION_OUT,
    );
    let _ = open(datagram, socket, &destination);
    destination
}

/// It leaves, if its flow is open. Returns the flow.
#[inline(always)]
pub fn leave_over_open(datagram: &Datagram) -> Option<*mut Flow> {
    let flow = pass(&datagram.flow, DIRECTION_IN)?;
    // SAFETY: a field of a live map value; no reference is made.
    add(unsafe { &raw mut (*flow).sent }, datagram.bytes);
    Some(flow)
}

/// What leaves over a flow is led elsewhere: it is not for the fast path, where the packet alone tells.
#[inline(always)]
pub fn mark_led(flow: *mut Flow, sock: u64) {
    // SAFETY: a field of a live map value; all write the same.
    unsafe {
        if (*flow).led == 0 {
            (*flow).led = 1;
            fast_path::close(sock);
        }
    }
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
    } else {
        // It has ended meanwhile, or found no room.
        count_bytes(&sending.destination, bytes, 0);
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
    if !arrive_over_open(datagram, socket) && !is_kernels() {
        let _ = arrive_first(datagram, socket);
    }
}

/// It is the first one of its flow. A function of its own, as is [`end`].
#[inline(never)]
fn arrive_first(datagram: &Datagram, socket: u64) -> u32 {
    let destination = key(
        socket::owner(socket, datagram.flow.socket),
        (datagram.flow.address, datagram.local_port),
        datagram.flow.protocol,
        DIRECTION_IN,
    );
    let counted = open(datagram, socket, &destination);
    remember(datagram, socket, counted, &raw const destination);
    0
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
        remember(datagram, socket, OPEN_FLOW, &raw const (*flow).destination);
    }
    true
}

/// An ICMP error has come back for a socket that is connected: kept, to say at the flow's end why nobody answered. A function
/// of its own, as is [`end`].
#[inline(never)]
#[unsafe(export_name = "flow_fail")]
pub extern "C" fn fail(sock: u64) -> u32 {
    if read::<u16>(sock, &SOCK_PROTOCOL) == u16::from(PROTOCOL_TCP) {
        return 0;
    }
    let Some(identity) = socket::identity_of(sock) else {
        return 0;
    };
    let (address, port) = remote(sock);
    let key = FlowKey {
        socket: identity,
        address,
        port,
        protocol: PROTOCOL_UDP,
        padding: 0,
        interface: interface(sock),
    };
    let error: i32 = read(sock, &SOCK_ERROR);
    // The program that owns the socket may have taken it already.
    if error != 0
        && let Some(flow) = FLOWS.get_ptr_mut(&key)
    {
        // SAFETY: a field of a live map value; of two errors either may be the last.
        unsafe { (*flow).error = error };
    }
    0
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

/// Ends a flow: its contact goes out, with what passed over it.
///
/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
pub fn end(key: &FlowKey, flow: *mut Flow) -> u32 {
    // SAFETY: a live map value, read before it is removed; nobody adds to one that is over.
    let flow = unsafe { &*flow };
    let (mut sent, mut received, mut answered) = (flow.sent, flow.received, flow.answered != 0);
    if let Some(fast) = fast_path::of(key, flow.slot) {
        // SAFETY: fields of a live map value. Nobody adds to it after so long a silence; where somebody else has ended the flow,
        // it is closed too.
        unsafe {
            (*fast).sock = 0;
            sent = sent.wrapping_add((*fast).sent);
            received = received.wrapping_add((*fast).received);
            answered |= (*fast).answered != 0;
        }
    }
    let record = record(
        key,
        &flow.destination,
        (flow.began_ns, flow.namespace, flow.thread),
        (sent, received),
        outcome::of_flow(answered, false, flow.error, flow.refused),
    );
    if FLOWS.remove(key).is_ok() {
        emit(&record);
    }
    0
}

#[inline(always)]
fn record(
    key: &FlowKey,
    destination: &DestinationKey,
    (began_ns, namespace, thread): (u64, u32, u32),
    (sent, received): (u64, u64),
    outcome: u16,
) -> Record {
    let zero = zero();
    Record {
        destination: *destination,
        socket: key.socket,
        began_ns,
        established_ns: zero,
        ended_ns: now(),
        sent,
        received,
        local: none(),
        local_port: 0,
        remote_port: key.port,
        namespace,
        interface: key.interface,
        outcome,
        flags: 0,
        thread,
        padding: 0,
    }
}

/// Opens a flow and counts its first datagram. Returns what that is counted in.
#[inline(always)]
pub fn open(datagram: &Datagram, socket: u64, destination: &DestinationKey) -> u64 {
    // One that is closed is not among those that are open, so the flow is over soon.
    let is_followed = SOCKETS.get_ptr(&socket).is_some() || socket::is_closed(datagram.sock);
    let followed = u16::from(is_followed);
    let began_ns = now();
    let counted = make(datagram, followed, destination, began_ns);
    if counted == ALONE {
        let _ = count_alone(datagram, destination, began_ns);
    }
    counted
}

/// What a first datagram adds to: left, and arrived.
#[inline(always)]
fn bytes_of(datagram: &Datagram, destination: &DestinationKey) -> (u64, u64) {
    if destination.direction == DIRECTION_IN {
        (0, datagram.bytes)
    } else {
        (datagram.bytes, 0)
    }
}

/// What it is counted in; [`ALONE`] is to be done yet. A function of its own, as is the next: what it needs of the stack is given back before its caller
/// goes on.
#[inline(never)]
fn make(datagram: &Datagram, followed: u16, destination: &DestinationKey, began_ns: u64) -> u64 {
    let (sent, received) = bytes_of(datagram, destination);
    let second = second();
    let flow = Flow {
        destination: *destination,
        sent,
        received,
        last_second: second,
        answered: 0,
        followed,
        error: 0,
        refused: 0,
        sock: datagram.sock,
        keeper: datagram.flow.socket,
        began_ns,
        opened: second,
        slot: fast_path::slot_of(datagram.sock),
        namespace: namespace(datagram.sock),
        led: datagram.led,
        thread: if destination.direction == DIRECTION_OUT {
            process::thread()
        } else {
            0
        },
        padding: 0,
    };
    if FLOWS.insert(&datagram.flow, &flow, NOT_THERE).is_ok() {
        counts::open(destination);
        return NEW_FLOW;
    }
    // Another thread of the program opened it in between, or there is no room.
    let Some(flow) = FLOWS.get_ptr_mut(&datagram.flow) else {
        return ALONE;
    };
    // SAFETY: fields of a live map value; no reference is made.
    unsafe {
        add(&raw mut (*flow).sent, sent);
        add(&raw mut (*flow).received, received);
    }
    OPEN_FLOW
}

/// A datagram whose flow found no room is a contact by itself, of which nothing else will be known.
#[inline(never)]
fn count_alone(datagram: &Datagram, destination: &DestinationKey, began_ns: u64) -> u32 {
    counts::open(destination);
    tally(counter::FLOWS_FULL);
    counts::count(&record(
        &datagram.flow,
        destination,
        (began_ns, namespace(datagram.sock), 0),
        bytes_of(datagram, destination),
        record::UNKNOWN,
    ));
    0
}
