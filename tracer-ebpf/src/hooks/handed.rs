//! An association of SCTP goes from the socket over which it began to another one: to that which a one-to-one socket's `accept(2)` makes, and
//! to that which peels it off (`SCTP_SOCKOPT_PEELOFF`). It is the same contact.
//!
//! At the cgroup packets alone are seen. Where an association begins (a packet with an INIT, RFC 9260 section 3.3.2), its socket is
//! written down by its place. Its first flow is whose the association is from then on; the socket that has it says when it is over.

use aya_ebpf::programs::SkBuffContext;
use tracer_common::FlowKey;

use super::{flow::Datagram, headers::Packet};
use crate::{
    address::namespace,
    counts::ANY,
    maps::{ASSOCIATIONS, FLOWS},
    memory::read,
    offsets::SOCK_SHUTDOWN,
    socket,
};

/// Bytes of the header that all chunks stand behind.
const COMMON_HEADER: usize = 12;
/// The type of the chunk with which an association begins; it stands alone.
const INIT: u8 = 1;
/// `SHUTDOWN_MASK` (include/net/sock.h): nothing goes either way any more, as the socket is being closed.
const SHUT: u8 = 3;

/// Whether the packet begins an association.
#[inline(always)]
pub fn begins(context: &SkBuffContext, packet: &Packet) -> bool {
    context
        .load::<u8>(packet.payload + COMMON_HEADER)
        .is_ok_and(|kind| kind == INIT)
}

/// Names the socket over which the association began that a packet is of, in place of the one over which the packet passes.
///
/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
pub fn follow(datagram: &mut Datagram, begins: bool) -> u32 {
    let own = datagram.flow.socket;
    let place = FlowKey {
        socket: u64::from(namespace(datagram.sock)) << 16 | u64::from(datagram.local_port),
        ..datagram.flow
    };
    // SAFETY: a live map value.
    let first = ASSOCIATIONS
        .get_ptr(&place)
        .map_or(own, |first| unsafe { *first });
    let before = FlowKey {
        socket: first,
        ..datagram.flow
    };
    let flow = if first == own {
        None
    } else {
        FLOWS.get_ptr_mut(&before)
    };
    // One that begins, over a socket that has been handed one of that place, is that one's once more: an INIT that came twice. SAFETY: a
    // field of a live map value.
    let is_handed = flow.is_some_and(|flow| unsafe { (*flow).keeper } == own);
    if begins && !is_handed {
        // Where there is no room, one that is handed on counts as one more.
        let _ = ASSOCIATIONS.insert(&place, &own, ANY);
        return 0;
    }
    let Some(flow) = flow else {
        return 0;
    };
    // SAFETY: fields of a live map value; all that pass over this socket write the same.
    unsafe {
        if (*flow).keeper != own {
            (*flow).keeper = own;
            // Of one that is closed already nobody would tell the end.
            if read::<u8>(datagram.sock, &SOCK_SHUTDOWN) & SHUT != SHUT {
                socket::own(own, own, (*flow).destination.process);
            }
        }
    }
    datagram.flow.socket = first;
    1
}
