//! Sockets of datagrams: which one it is, and whose.
//!
//! Where the kernel hands the hooks packets, its cookie tells a socket from every other one. A kprobe cannot ask for the
//! cookie; there a socket is known by its address and a number of ours, as long as it lives.

use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns};
use tracer_common::{
    SocketFacts,
    map::{HANDLE_NO_OWNER, PROTOCOL_SCTP, counter},
};

use crate::{
    counts::{NOT_THERE, tally},
    maps::SOCKETS,
    memory::read,
    offsets::{BY_ADDRESS, SOCK_COOKIE, SOCK_SOCKET, SOCK_WRITTEN, SOCKET_FILE, is_known},
};

// include/linux/net.h, `enum sock_type`.
const SOCK_RAW: u32 = 3;

/// Whose it is from now on, if nobody has it yet. `socket` is its key in the map.
#[inline(always)]
pub fn own(socket: u64, identity: u64, owner: u64) {
    if let Some(facts) = SOCKETS.get_ptr_mut(&socket) {
        // SAFETY: a live map value; of two that take it at once either may be the owner.
        unsafe {
            if (*facts).owner == HANDLE_NO_OWNER {
                (*facts).owner = owner;
            }
        }
        return;
    }
    let _ = SOCKETS.insert(&socket, &SocketFacts { identity, owner }, NOT_THERE);
    if SOCKETS.get_ptr(&socket).is_none() {
        tally(counter::SOCKETS_FULL);
    }
}

/// Whose it is.
#[inline(always)]
pub fn owner(socket: u64, identity: u64) -> u64 {
    if let Some(facts) = SOCKETS.get_ptr(&socket) {
        // SAFETY: a live map value.
        return unsafe { (*facts).owner };
    }
    own(socket, identity, HANDLE_NO_OWNER);
    HANDLE_NO_OWNER
}

/// Whose it is, where somebody has it. `socket` is its key in the map.
#[inline(always)]
pub fn known_owner(socket: u64) -> Option<u64> {
    // SAFETY: a live map value.
    let owner = unsafe { (*SOCKETS.get_ptr(&socket)?).owner };
    (owner != HANDLE_NO_OWNER).then_some(owner)
}

/// Whether a socket of that type and protocol has associations of SCTP.
#[inline(always)]
pub fn has_associations(kind: u32, protocol: u32) -> bool {
    protocol == u32::from(PROTOCOL_SCTP) && kind != SOCK_RAW
}

/// What tells such a socket from every other one at the cgroup, where all others have their cookies for that: from Linux 7 on an accepted
/// one begins with its listener's.
#[inline(always)]
pub fn identity_of_associations(cookie: u64, sock: u64) -> u64 {
    // The upper 16 bits of an address are the same for all, and the first bit says of a number that it is an address.
    (cookie.rotate_left(48) ^ sock) & (u64::MAX >> 1)
}

/// The key in the map of the socket at `sock`.
#[inline(always)]
pub fn key_of(sock: u64) -> u64 {
    if BY_ADDRESS.load() == 0 {
        read(sock, &SOCK_COOKIE)
    } else {
        sock
    }
}

/// Whether no program holds the socket at `sock`: the kernel answers pings and reports errors over sockets of its own.
#[inline(always)]
pub fn is_kernels(sock: u64) -> bool {
    file(sock) == 0
}

/// Whether the socket at `sock` is closed, and only what it has sent is still on its way.
#[inline(always)]
pub fn is_closed(sock: u64) -> bool {
    sock != 0 && read::<u64>(sock, &SOCK_SOCKET) == 0
}

/// Whether the socket at `sock` may have sent something that is still on its way.
#[inline(always)]
pub fn may_have_more_to_send(sock: u64) -> bool {
    // One of it is the socket's own.
    !is_known(&SOCK_WRITTEN) || read::<u32>(sock, &SOCK_WRITTEN) > 1
}

/// Address of the file that programs hold of the socket at `sock`; 0 where none does.
#[inline(always)]
pub fn file(sock: u64) -> u64 {
    let socket: u64 = read(sock, &SOCK_SOCKET);
    if socket == 0 {
        0
    } else {
        read(socket, &SOCKET_FILE)
    }
}

/// What tells the socket at `sock` from every other one; `None` where it is not known.
#[inline(always)]
pub fn identity_of(sock: u64) -> Option<u64> {
    if BY_ADDRESS.load() == 0 {
        return Some(read(sock, &SOCK_COOKIE));
    }
    // SAFETY: a live map value.
    SOCKETS
        .get_ptr(&sock)
        .map(|facts| unsafe { (*facts).identity })
}

/// As [`identity_of`], for hooks that know sockets by their address; one that is new gets a number.
#[inline(always)]
pub fn identify(sock: u64) -> u64 {
    if let Some(identity) = identity_of(sock) {
        return identity;
    }
    // SAFETY: both helpers read a clock or a number. Unique as a program's handle is.
    let identity =
        unsafe { (bpf_ktime_get_boot_ns() << 10) | u64::from(bpf_get_smp_processor_id() & 1023) };
    // One from before the tracer was written down by user space under its cookie, all that it can know.
    let cookie: u64 = read(sock, &SOCK_COOKIE);
    let owner = SOCKETS
        .get_ptr(&cookie)
        // SAFETY: a live map value.
        .map_or(HANDLE_NO_OWNER, |facts| unsafe { (*facts).owner });
    own(sock, identity, owner);
    identity_of(sock).unwrap_or(identity)
}
