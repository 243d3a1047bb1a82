//! Who listens: the owner of a connection that is accepted, known before it comes.
//!
//! A connection is accepted in softirq, where the current process is a stranger. `listen(2)` runs in the caller's own context, so its
//! caller is written down under the listening socket: an accepted contact is of that socket's, whatever address and port it has.
//! Which socket that is, the kernel says by accident: the connection's socket begins as a copy of the listener's, and the heads of
//! empty lists in it lead to the listener until they are set up.

use tracer_common::{
    ListenedPort, Listener, Listeners,
    map::{HANDLE_NO_OWNER, PROTOCOL_TCP, counter},
};

use crate::{
    address::namespace,
    counts::{NOT_THERE, add, tally},
    maps::{LISTENERS, PORTS},
    memory::read,
    offsets::{
        SOCK_COOKIE, SOCK_LOCAL_PORT, SOCK_PORT_BUCKET, SOCK_PROTOCOL, SOCK_SOURCE_PORT,
        SOCK_STATE, TCP_SENT_LIST, is_known,
    },
    process,
};

// include/net/tcp_states.h
const LISTEN: u8 = 10;

/// A TCP socket begins to listen; runs in the context of `listen(2)`. Which port the kernel chooses for it is not known yet.
#[inline(never)]
#[unsafe(export_name = "listener_begin")]
pub extern "C" fn begin(sock: u64) -> u32 {
    if read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP) {
        return 0;
    }
    let port = ListenedPort {
        namespace: namespace(sock),
        port: read(sock, &SOCK_LOCAL_PORT),
        padding: 0,
    };
    let owner = process::current(sock);
    // One that is there is looked at a second time, or its end was missed.
    let _ = end(sock);
    count(&port, 1, sock);
    if LISTENERS
        .insert(&sock, &Listener { owner, port }, NOT_THERE)
        .is_err()
    {
        tally(counter::LISTENERS_FULL);
    }
    0
}

/// A TCP socket that listened is closed.
#[inline(never)]
#[unsafe(export_name = "listener_end")]
pub extern "C" fn end(sock: u64) -> u32 {
    forget(sock, sock);
    let cookie: u64 = read(sock, &SOCK_COOKIE);
    if cookie != 0 {
        // It was there before the tracer, or was written down by user space as well, which does not know its address.
        forget(cookie, 0);
    }
    0
}

#[inline(always)]
fn forget(key: u64, sock: u64) {
    let Some(listener) = LISTENERS.get_ptr(&key) else {
        return;
    };
    // SAFETY: a field of a live map value, copied before it is removed.
    let port = unsafe { (*listener).port };
    // Of two that remove it one does.
    if LISTENERS.remove(&key).is_ok() {
        count(&port, u64::MAX, sock.wrapping_neg());
    }
}

/// Adds to the sockets that listen at a port, and to the sum of their addresses. An entry stays: who removed one that is empty could
/// take a socket out of the count that begins to listen meanwhile, and make another one seem alone. Where there is no room, who is
/// alone at the port is not known.
#[inline(always)]
fn count(port: &ListenedPort, sockets: u64, sum: u64) {
    if PORTS
        .insert(port, &Listeners { sockets, sum }, NOT_THERE)
        .is_err()
        && let Some(listeners) = PORTS.get_ptr_mut(port)
    {
        // SAFETY: fields of a live map value; no reference is made.
        unsafe {
            add(&raw mut (*listeners).sockets, sockets);
            // An addition of nothing would be compiled to an atomic OR of nothing, which kernels before 5.12 refuse.
            if sum != 0 {
                add(&raw mut (*listeners).sum, sum);
            }
        }
    }
}

/// Whose the listener is that the socket at `sock` is a copy of, in the moment that it is one.
#[inline(always)]
pub fn owner_of_copy(sock: u64) -> u64 {
    if !is_known(&TCP_SENT_LIST) {
        return HANDLE_NO_OWNER;
    }
    let list: u64 = read(sock, &TCP_SENT_LIST);
    let listener = list.wrapping_sub(u64::from(TCP_SENT_LIST.load()));
    owner(listener).unwrap_or(HANDLE_NO_OWNER)
}

/// Whose a connection is of which no program saw the beginning: of the only socket that listens at its port, if the kernel took its
/// port from that one. Else it came to another port, and was led here.
#[inline(always)]
pub fn owner_by_port(sock: u64) -> u64 {
    if !is_known(&SOCK_PORT_BUCKET) {
        return HANDLE_NO_OWNER;
    }
    let Some(listeners) = at_port(sock) else {
        return HANDLE_NO_OWNER;
    };
    // SAFETY: fields of a live map value.
    let (sockets, listener) = unsafe { ((*listeners).sockets, (*listeners).sum) };
    let bucket: u64 = read(sock, &SOCK_PORT_BUCKET);
    if sockets != 1 || bucket == 0 || bucket != read(listener, &SOCK_PORT_BUCKET) {
        return HANDLE_NO_OWNER;
    }
    owner(listener).unwrap_or(HANDLE_NO_OWNER)
}

/// Whether somebody listens at the port of the socket at `sock`.
#[inline(always)]
pub fn is_listened(sock: u64) -> bool {
    // SAFETY: a field of a live map value.
    at_port(sock).is_some_and(|listeners| unsafe { (*listeners).sockets } != 0)
}

#[inline(always)]
fn at_port(sock: u64) -> Option<*const Listeners> {
    let port = ListenedPort {
        namespace: namespace(sock),
        // A socket that has given its port back still has the one that packets carry.
        port: u16::from_be(read(sock, &SOCK_SOURCE_PORT)),
        padding: 0,
    };
    PORTS.get_ptr(&port)
}

/// Whose the listening socket at that address is.
#[inline(always)]
fn owner(listener: u64) -> Option<u64> {
    if read::<u8>(listener, &SOCK_STATE) != LISTEN {
        return None;
    }
    let known = LISTENERS.get_ptr(&listener).or_else(|| {
        let cookie: u64 = read(listener, &SOCK_COOKIE);
        LISTENERS.get_ptr(&cookie)
    });
    // SAFETY: a field of a live map value.
    known.map(|listener| unsafe { (*listener).owner })
}
