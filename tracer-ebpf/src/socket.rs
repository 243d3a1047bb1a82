//! Sockets of datagrams: which one it is, and whose.
//!
//! Where the kernel hands the hooks packets, its cookie tells a socket from every other one. A kprobe cannot ask for the
//! cookie; there a socket is known by its address and a number of ours, as long as it lives.

use tracer_common::{
    SocketFacts,
    map::{HANDLE_NO_OWNER, counter},
};

use crate::{
    counts::{NOT_THERE, tally},
    maps::SOCKETS,
    memory::read,
    offsets::{BY_ADDRESS, SOCK_COOKIE},
};

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
