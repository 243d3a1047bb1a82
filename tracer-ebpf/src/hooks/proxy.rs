//! What programs ask Android's resolver for, and what it answers: both go over `/dev/socket/dnsproxyd`, a socket of `netd`.
//!
//! A program that has Android's C library shows itself in that too ([`super::lookup`]); one that asks past it shows itself here alone: by
//! `android_res_nquery` and what Java makes of that (`DnsResolver`), or over this socket with no library of Android's at all. A socket is
//! told by the place where it is bound, which one that is accepted shares.

use aya_ebpf::{helpers::bpf_get_current_uid_gid, macros::kprobe, programs::ProbeContext};
use tracer_common::{
    NameEvent,
    name::{PROXY_IN, PROXY_OUT},
};

use super::{
    buffers::{BUFFERS, Data},
    lookup::call::asks,
    name::{are_wanted, copy},
};
use crate::{
    address::none,
    clock::now,
    counts::ANY,
    maps::PROXY_ASKED,
    memory::{forget, read},
    offsets::{
        SOCK_SHUTDOWN, SOCKET_SOCK, UNIX_ADDRESS, UNIX_ADDRESS_LENGTH, UNIX_ADDRESS_NAME, UNIX_PEER,
    },
    process,
};

/// `struct sockaddr_un` of the place: the family, and the path with its zero.
const PLACE: &[u8; 24] = b"\x01\0/dev/socket/dnsproxyd\0";

/// Nothing can be sent any more (include/net/sock.h).
const SEND_SHUTDOWN: u8 = 2;

/// Bytes of a buffer that are looked at: more than a command or an answer of DNS has.
const MOST: u32 = 8_192;

/// `int unix_stream_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)`, in `struct proto_ops` since 4.1.
#[kprobe]
pub fn proxy_said(context: ProbeContext) -> u32 {
    if let (Some(socket), Some(message)) = (context.arg(0), context.arg(1))
        && are_wanted()
    {
        let _ = said(socket, message);
    }
    0
}

#[inline(always)]
fn said(socket: u64, message: u64) -> u32 {
    let sock: u64 = read(socket, &SOCKET_SOCK);
    // The other end is closed, and whoever asked there is told nothing.
    if read::<u8>(sock, &SOCK_SHUTDOWN) & SEND_SHUTDOWN != 0 {
        return 0;
    }
    let peer: u64 = read(sock, &UNIX_PEER);
    let is_resolver = is_proxy(read(sock, &UNIX_ADDRESS));
    if !is_resolver && (peer == 0 || !is_proxy(read(peer, &UNIX_ADDRESS))) {
        return 0;
    }
    // Anybody may have a place of that name in mounts of his own; the resolver is root. What it tells a C library that library tells
    // too, and at once: the resolver writes a number at a time, each of which would take the room of a name.
    if is_resolver
        && (bpf_get_current_uid_gid() as u32 != 0 || PROXY_ASKED.get_ptr(&peer).is_none())
    {
        return 0;
    }
    let mut event = NameEvent {
        socket: if is_resolver { peer } else { sock },
        began_ns: 0,
        at_ns: now(),
        process: 0,
        thread: 0,
        within_call: 0,
        address: none(),
        port: 0,
        protocol: 0,
        kind: PROXY_IN,
        offset: 0,
        length: 0,
        segment: 0,
    };
    if !is_resolver {
        event.kind = PROXY_OUT;
        event.process = process::current(0);
        event.thread = process::thread();
        event.within_call = asks(event.thread);
        if event.within_call == 0 {
            // An LRU takes what it is given.
            let _ = PROXY_ASKED.insert(&sock, &event.thread, ANY);
        } else {
            // Another socket was at this address.
            let _ = PROXY_ASKED.remove(&sock);
        }
    }
    let mut data = Data::of(message);
    for index in 0..BUFFERS {
        forget(&mut data);
        let Some((buffer, length)) = data.buffer(index) else {
            break;
        };
        data.length = data.length.wrapping_sub(length.into());
        let length = if length > MOST { MOST } else { length };
        let _ = copy(buffer as *mut _, &mut event, 0, length);
    }
    0
}

/// Whether a socket is bound there, by its `struct unix_address`; 0 where it is bound nowhere.
#[inline(always)]
fn is_proxy(address: u64) -> bool {
    if address == 0 || read::<u32>(address, &UNIX_ADDRESS_LENGTH) != PLACE.len() as u32 {
        return false;
    }
    let [first, second, third]: [u64; 3] = read(address, &UNIX_ADDRESS_NAME);
    first == word(0) && second == word(1) && third == word(2)
}

/// A word of the place, as it is read from memory.
const fn word(at: usize) -> u64 {
    let mut bytes = [0; 8];
    let mut index = 0;
    while index < 8 {
        bytes[index] = PLACE[8 * at + index];
        index += 1;
    }
    u64::from_ne_bytes(bytes)
}
