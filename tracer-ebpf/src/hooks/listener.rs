//! Who listens where: the owner of a connection that is accepted, known before it comes.
//!
//! A connection is accepted in softirq, where the current process is a stranger. `listen(2)` runs in the caller's own
//! context, so its caller is written down under the address and port.

use aya_ebpf::programs::RawTracePointContext;
use tracer_common::{
    Address, Endpoint, Listener,
    map::{HANDLE_NO_OWNER, counter},
};

use crate::{
    address::local,
    counts::{NOT_THERE, add_one, tally},
    maps::LISTENERS,
    memory::read,
    offsets::{NAMESPACE_INODE, SOCK_LOCAL_PORT, SOCK_NAMESPACE, SOCK_PROTOCOL, SOCK_SOURCE_PORT},
    process,
};

const IPPROTO_TCP: u16 = 6;

/// A TCP socket begins to listen; runs in the context of `listen(2)`.
#[inline(always)]
pub fn begin(context: &RawTracePointContext, sock: u64) {
    if read::<u16>(sock, &SOCK_PROTOCOL) != IPPROTO_TCP {
        return;
    }
    let endpoint = endpoint(sock);
    let owner = process::current(context, sock);
    let listener = Listener {
        owner,
        sockets: 1,
        padding: [0; 4],
    };
    if LISTENERS.insert(&endpoint, &listener, NOT_THERE).is_ok() {
        return;
    }
    let Some(listener) = LISTENERS.get_ptr_mut(&endpoint) else {
        tally(counter::LISTENERS_FULL);
        return;
    };
    // SAFETY: fields of a live map value. Of two that begin at once either may be the last.
    unsafe {
        (*listener).owner = owner;
        add_one(&raw mut (*listener).sockets);
    }
}

/// A TCP socket that listened is closed.
#[inline(always)]
pub fn end(sock: u64) {
    // A port that the kernel chose is given back by now; what packets were to carry still says it.
    let endpoint = Endpoint {
        port: u16::from_be(read(sock, &SOCK_SOURCE_PORT)),
        ..endpoint(sock)
    };
    let Some(listener) = LISTENERS.get_ptr_mut(&endpoint) else {
        return;
    };
    // SAFETY: a field of a live map value.
    let sockets = unsafe { &raw mut (*listener).sockets };
    // SAFETY: as above. `close(2)` of two sockets at one place at once may leave the entry behind: harmless, as the next
    // to listen there takes it over.
    if unsafe { *sockets } > 1 {
        crate::counts::subtract_one(sockets);
    } else {
        // Gone already is as good.
        let _ = LISTENERS.remove(&endpoint);
    }
}

/// Whose the accepted connection is: of who listens at its local address, else at any address.
#[inline(always)]
pub fn owner(sock: u64) -> u64 {
    let mut endpoint = endpoint(sock);
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

#[inline(always)]
fn endpoint(sock: u64) -> Endpoint {
    Endpoint {
        address: local(sock),
        namespace: read(read(sock, &SOCK_NAMESPACE), &NAMESPACE_INODE),
        port: read(sock, &SOCK_LOCAL_PORT),
        padding: [0; 2],
    }
}
