//! Who listens where: the owner of a connection that is accepted, known before it comes.
//!
//! A connection is accepted in softirq, where the current process is a stranger. `listen(2)` runs in the caller's own
//! context, so its caller is written down under the address and port.

use core::ffi::c_void;

use aya_ebpf::programs::RawTracePointContext;
use tracer_common::{
    Address, Endpoint, Listener,
    map::{HANDLE_NO_OWNER, counter},
};

use crate::{
    address::{local, namespace},
    counts::{NOT_THERE, tally},
    maps::LISTENERS,
    memory::read,
    offsets::{SOCK_LOCAL_PORT, SOCK_PROTOCOL, SOCK_SOURCE_PORT},
    process,
};

const IPPROTO_TCP: u16 = 6;

/// A TCP socket begins to listen; runs in the context of `listen(2)`.
#[inline(never)]
pub fn begin(context: *mut c_void, sock: u64) -> u32 {
    let context = &RawTracePointContext::new(context);
    if read::<u16>(sock, &SOCK_PROTOCOL) != IPPROTO_TCP {
        return 0;
    }
    let endpoint = endpoint(sock);
    let owner = process::current(context, sock);
    let listener = Listener {
        owner,
        sockets: 1,
        padding: [0; 4],
    };
    if LISTENERS.insert(&endpoint, &listener, NOT_THERE).is_ok() {
        return 0;
    }
    let Some(listener) = LISTENERS.get_ptr_mut(&endpoint) else {
        tally(counter::LISTENERS_FULL);
        return 0;
    };
    // SAFETY: fields of a live map value. Of two that begin at once either may be the last.
    unsafe {
        (*listener).owner = owner;
        crate::counts::add_one(&raw mut (*listener).sockets);
    }
    0
}

/// A TCP socket that listened is closed.
#[inline(always)]
pub fn end(sock: u64) {
    // A port that the kernel chose is given back by now; what packets were to carry still says it.
    let endpoint = told(sock);
    let Some(listener) = LISTENERS.get_ptr_mut(&endpoint) else {
        return;
    };
    // SAFETY: a field of a live map value; no reference is made.
    let sockets = unsafe { &raw mut (*listener).sockets };
    crate::counts::subtract_one(sockets);
    // SAFETY: as above. Of two that are closed at once either may see that none is left, or both.
    if unsafe { core::ptr::read_volatile(sockets) } == 0 {
        // Gone already is as good.
        let _ = LISTENERS.remove(&endpoint);
    }
}

/// Whose the accepted connection is: of who listens at its local address, else at any address.
#[inline(always)]
pub fn owner(sock: u64) -> u64 {
    let mut endpoint = told(sock);
    if let Some(listener) = LISTENERS.get_ptr(&endpoint) {
        // SAFETY: a field of a live map value.
        return unsafe { (*listener).owner };
    }
    if endpoint.address.is_mapped() {
        endpoint.address = Address::ANY_IPV4;
        if let Some(listener) = LISTENERS.get_ptr(&endpoint) {
            // SAFETY: as above.
            return unsafe { (*listener).owner };
        }
    }
    endpoint.address = Address::ANY;
    LISTENERS
        .get_ptr(&endpoint)
        // SAFETY: as above.
        .map_or(HANDLE_NO_OWNER, |listener| unsafe { (*listener).owner })
}

/// The same by the port that packets carry, which a socket still has when it has given its port back.
#[inline(always)]
fn told(sock: u64) -> Endpoint {
    Endpoint {
        port: u16::from_be(read(sock, &SOCK_SOURCE_PORT)),
        ..endpoint(sock)
    }
}

#[inline(always)]
fn endpoint(sock: u64) -> Endpoint {
    Endpoint {
        address: local(sock),
        namespace: namespace(sock),
        port: read(sock, &SOCK_LOCAL_PORT),
        padding: [0; 2],
    }
}
