//! A connection of TCP ends: what it was, why it failed, and what passed over it.

use core::mem::MaybeUninit;

use tracer_common::{
    Connection, DestinationKey, Record,
    map::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIER, CONNECTION_LATE, CONNECTION_NO_CONTACT,
        CONNECTION_PAST, CONNECTION_PENDING, DIRECTION_IN, counter,
    },
    outcome,
    record::{ESTABLISHED, LATE, NO_CONTACT, PAST, UNKNOWN, failed},
};

use crate::{
    address::{Head, none},
    clock::{now, zero},
    counts::tally,
    emit::{discard, emit, emit_at_once, emit_here, reserve, submit},
    hooks::{
        attempt,
        flow::second,
        multipath,
        sample::{Payload, payload},
        tcp_begin::{accept_unseen, complete},
    },
    maps::{CONNECTIONS, OLDER},
    memory::read,
    offsets::{
        IS_PREEMPTED, SOCK_COOKIE, SOCK_ERROR, SOCK_PROTOCOL, SOCK_SHUTDOWN,
        TCP_BYTES_ACKNOWLEDGED, TCP_SEGMENTS_OUT,
    },
};

/// `IPPROTO_MPTCP` (include/uapi/linux/in.h), since 5.6.
const IPPROTO_MPTCP: u16 = 262;
const IPPROTO_TCP: u16 = 6;

const NO_ROOM: u32 = 1;

/// The socket at `sock` is closed. `after_handshake`: the state that was left is one behind the handshake. `is_first`: nobody has
/// looked at this change before.
#[inline(always)]
pub fn close(sock: u64, after_handshake: bool, is_first: bool) {
    if end(sock, after_handshake) {
        return;
    }
    match read::<u16>(sock, &SOCK_PROTOCOL) {
        IPPROTO_MPTCP => multipath::end(sock),
        IPPROTO_TCP => {
            let is_told = attempt::close(sock, after_handshake) != 0 || end_older(sock) != 0;
            if !is_told && is_first && after_handshake && is_young(sock) {
                // No program was run when it was accepted.
                let _ = accept_unseen(sock);
                let _ = end(sock, true);
            }
        }
        _ => {}
    }
}

/// Whether the socket was made after the tracer had asked for those that there were: they all have a cookie since. One that has a
/// cookie may be of either kind.
#[inline(always)]
fn is_young(sock: u64) -> bool {
    second() != 0 && read::<u64>(sock, &SOCK_COOKIE) == 0
}

/// The end of a connection that is followed; `false` where `sock` is none. `after_handshake`: the state that was left is one
/// behind the handshake.
///
/// A function of its own, as are those below: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
#[unsafe(export_name = "tcp_close_end")]
pub extern "C" fn end(sock: u64, after_handshake: bool) -> bool {
    let Some(mut connection) = CONNECTIONS.get_ptr(&sock) else {
        return false;
    };
    // SAFETY: a field of a live map value.
    if u32::from(unsafe { (*connection).flags }) & CONNECTION_PENDING != 0 {
        if !after_handshake && has_passed(sock) == 0 {
            // Nobody was told of it.
            let _ = CONNECTIONS.remove(&sock);
            return true;
        }
        let _ = complete(sock, CONNECTION_LATE);
        // It may be no contact of its own.
        let Some(completed) = CONNECTIONS.get_ptr(&sock) else {
            return true;
        };
        connection = completed;
    }
    // Whoever has a place in the ring buffer keeps the reader from all that come behind it: not for as long as one is preempted.
    if IS_PREEMPTED.load() != 0 || end_in_place(sock, connection, after_handshake) == NO_ROOM {
        let _ = end_by_copy(sock, connection, after_handshake);
    }
    true
}

/// Whether something has passed over a socket that a listener has made. If it is closed before its handshake is known to be complete,
/// it was a contact only then, as over TCP Fast Open.
#[inline(never)]
#[unsafe(export_name = "tcp_close_has_passed")]
extern "C" fn has_passed(sock: u64) -> u32 {
    let Payload { sent, received } = payload(sock, CONNECTION_ACCEPTED);
    u32::from(sent != 0 || received != 0)
}

/// Its record is written where it stands. [`NO_ROOM`] where the ring buffer has none; then nothing was done.
#[inline(never)]
fn end_in_place(sock: u64, connection: *const Connection, after_handshake: bool) -> u32 {
    let Some(mut entry) = reserve() else {
        return NO_ROOM;
    };
    // SAFETY: a live map value, read before it is removed.
    let connection = unsafe { &*connection };
    let is_carrier = u32::from(connection.flags) & CONNECTION_CARRIER != 0;
    fill(entry.as_mut_ptr(), sock, connection, after_handshake);
    // Of two that end it at once one removes it.
    if CONNECTIONS.remove(&sock).is_err() {
        discard(entry);
        return 0;
    }
    submit(entry, false);
    if is_carrier {
        multipath::end(sock);
    }
    0
}

/// The same, with a record that is copied, or counted where there is no room for it.
#[inline(never)]
fn end_by_copy(sock: u64, connection: *const Connection, after_handshake: bool) -> u32 {
    // SAFETY: a live map value, read before it is removed.
    let connection = unsafe { &*connection };
    let is_carrier = u32::from(connection.flags) & CONNECTION_CARRIER != 0;
    let record = record(sock, connection, after_handshake);
    if CONNECTIONS.remove(&sock).is_ok() {
        emit_here(&record);
        if is_carrier {
            multipath::end(sock);
        }
    }
    0
}

/// What is to be said of a connection that is over.
#[inline(always)]
pub fn record(sock: u64, connection: &Connection, after_handshake: bool) -> Record {
    let mut record = MaybeUninit::uninit();
    fill(record.as_mut_ptr(), sock, connection, after_handshake);
    // SAFETY: each field was written.
    unsafe { record.assume_init() }
}

/// Writes that where it is to stand: the compiler would make it on the stack, and copy it.
#[inline(always)]
fn fill(to: *mut Record, sock: u64, connection: &Connection, after_handshake: bool) {
    let flags = u32::from(connection.flags);
    let Payload { sent, received } = payload(sock, flags);
    // A handshake for which no program was run is told by what came after it. That something was sent tells nothing: a SYN of
    // TCP Fast Open carries data.
    let is_established = connection.established_ns != 0
        || after_handshake
        || received != 0
        || read::<u64>(sock, &TCP_BYTES_ACKNOWLEDGED) != 0;
    let outcome = if is_established {
        ESTABLISHED
    } else {
        failed(reason(sock, connection.error.into()))
    };
    let head = Head::of(sock);
    let (local, local_port) = head.local();
    // SAFETY: memory for a record, which the caller has.
    unsafe {
        (*to).destination = connection.destination;
        (*to).socket = sock;
        (*to).began_ns = connection.began_ns;
        (*to).established_ns = connection.established_ns;
        (*to).ended_ns = now();
        (*to).sent = sent;
        (*to).received = received;
        (*to).local = local;
        (*to).local_port = local_port;
        (*to).remote_port = head.remote().1;
        (*to).namespace = head.namespace();
        (*to).interface = head.interface();
        (*to).outcome = outcome;
        (*to).flags = flags_of(flags);
        (*to).thread = connection.thread;
        (*to).padding = 0;
    }
}

/// The end of the connection of the socket that was at `sock` before, which nobody saw: what became of it is not known. Returns 0
/// where there is none.
#[inline(never)]
#[unsafe(export_name = "tcp_close_end_unseen")]
pub extern "C" fn end_unseen(sock: u64) -> u32 {
    let Some(connection) = CONNECTIONS.get_ptr(&sock) else {
        return 0;
    };
    // SAFETY: a live map value, read before it is removed.
    let connection = unsafe { &*connection };
    if u32::from(connection.flags) & CONNECTION_PENDING != 0 {
        // Nobody was told of it.
        let _ = CONNECTIONS.remove(&sock);
        return 1;
    }
    let outcome = if connection.established_ns == 0 {
        UNKNOWN
    } else {
        ESTABLISHED
    };
    let sample = connection.sample();
    let record = Record {
        destination: connection.destination,
        socket: sock,
        began_ns: connection.began_ns,
        established_ns: connection.established_ns,
        ended_ns: now(),
        sent: sample.sent,
        received: sample.received,
        local: sample.local,
        local_port: sample.local_port,
        remote_port: sample.remote_port,
        namespace: sample.namespace,
        interface: sample.interface,
        outcome,
        flags: flags_of(connection.flags.into()) | LATE,
        thread: connection.thread,
        padding: 0,
    };
    if CONNECTIONS.remove(&sock).is_ok() {
        tally(counter::END_MISSED);
        emit_here(&record);
    }
    1
}

/// A connection that has found no place to be followed.
#[inline(never)]
pub fn let_out_unfollowed(
    sock: u64,
    destination: &DestinationKey,
    began_ns: u64,
    established_ns: u64,
    flags: u32,
) -> u32 {
    let flags = flags_of(flags) | LATE;
    tally(counter::CONNECTIONS_FULL);
    let zero = zero();
    let outcome = if established_ns == 0 {
        UNKNOWN
    } else {
        ESTABLISHED
    };
    emit(&Record {
        destination: *destination,
        socket: sock,
        began_ns,
        established_ns,
        ended_ns: zero,
        sent: zero,
        received: zero,
        local: none(),
        local_port: 0,
        remote_port: 0,
        namespace: 0,
        interface: 0,
        outcome,
        flags,
        thread: 0,
        padding: 0,
    });
    0
}

/// The flags of a record.
#[inline(always)]
fn flags_of(connection: u32) -> u16 {
    let mut flags = 0;
    if connection & CONNECTION_NO_CONTACT != 0 {
        flags |= NO_CONTACT;
    }
    if connection & CONNECTION_LATE != 0 {
        flags |= LATE;
    }
    if connection & CONNECTION_PAST != 0 {
        flags |= PAST;
    }
    flags
}

/// A socket that was there before the tracer: what passed since then counts. Returns 0 where it is none.
#[inline(never)]
#[unsafe(export_name = "tcp_close_end_older")]
extern "C" fn end_older(sock: u64) -> u32 {
    let cookie: u64 = read(sock, &SOCK_COOKIE);
    // The kernel gives a cookie when somebody asks for it: the tracer asked, at its start, for those of all sockets.
    if cookie == 0 {
        return 0;
    }
    let Some(older) = OLDER.get_ptr(&cookie) else {
        return 0;
    };
    // SAFETY: a live map value, copied before it is removed.
    let older = unsafe { *older };
    if OLDER.remove(&cookie).is_err() {
        return 0;
    }
    let accepted = older.destination.direction == DIRECTION_IN;
    let flags = if accepted { CONNECTION_ACCEPTED } else { 0 };
    let Payload { sent, received } = payload(sock, flags);
    let zero = zero();
    // It may be the last of its network namespace, which the reader keeps in being until it hears of it. There are no more of them
    // than there were at the start.
    emit_at_once(&Record {
        destination: older.destination,
        socket: cookie,
        began_ns: zero,
        established_ns: zero,
        ended_ns: now(),
        sent: sent.saturating_sub(older.sent),
        received: received.saturating_sub(older.received),
        local: none(),
        local_port: 0,
        remote_port: 0,
        namespace: 0,
        interface: 0,
        outcome: UNKNOWN,
        flags: NO_CONTACT,
        thread: 0,
        padding: 0,
    });
    1
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
