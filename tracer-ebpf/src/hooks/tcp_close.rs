//! A connection of TCP ends: what it was, why it failed, and what passed over it.

use tracer_common::{
    Record,
    map::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIER, CONNECTION_NO_CONTACT, DIRECTION_IN, DIRECTION_OUT,
    },
    outcome, record,
};

use crate::{
    clock::now,
    counts::{add, add_one, find},
    emit::emit,
    hooks::{
        multipath,
        sample::{Payload, payload},
    },
    maps::{CONNECTIONS, OLDER},
    memory::read,
    offsets::{SOCK_COOKIE, SOCK_ERROR, SOCK_PROTOCOL, SOCK_SHUTDOWN, TCP_SEGMENTS_OUT},
};

/// `IPPROTO_MPTCP` (include/uapi/linux/in.h), since 5.6.
const IPPROTO_MPTCP: u16 = 262;

/// The socket at `sock` is closed. `after_handshake`: the state that was left is one behind the handshake.
#[inline(always)]
pub fn close(sock: u64, after_handshake: bool) {
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
pub fn end(sock: u64, after_handshake: bool) -> bool {
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
