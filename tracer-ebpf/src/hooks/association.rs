//! Associations of SCTP, where the kernel has kprobes: begun, accepted, failed, ended, and the payload of their chunks.
//!
//! An association is a contact, as a connection of TCP is. What a program hands over is cut into chunks, each queued once,
//! however often it is sent; what arrives is looked at when it is new. The functions are called across files of the kernel's
//! SCTP, so no compiler has inlined them.

use aya_ebpf::{macros::kprobe, programs::ProbeContext};
use tracer_common::{
    Address, DestinationKey, Flow, FlowKey,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_SCTP},
};

use super::flow::{Datagram, end, open};
use crate::{
    address::name_of,
    counts::key,
    maps::FLOWS,
    memory::{read, read_at},
    offsets::{
        ASSOCIATION_PEER, ASSOCIATION_SOCK, ASSOCIATION_TRIES, CHUNK_HEADER, OUTQ_ASSOCIATION,
        SOCK_ERROR, SOCK_LOCAL_PORT,
    },
    process, socket,
};

// include/uapi/linux/sctp.h, `enum sctp_sac_state`.
const COMM_UP: u32 = 0;
const CANNOT_START: u32 = 4;
// RFC 9260 section 3.3.1, RFC 8260 section 2.1: types of chunks that carry payload, and the length of their headers.
const DATA: (u8, u64) = (0, 16);
const I_DATA: (u8, u64) = (64, 20);

const ETIMEDOUT: i32 = 110;
const ECONNREFUSED: i32 = 111;
const ECANCELED: i32 = 125;

/// `int sctp_primitive_ASSOCIATE(struct net *, struct sctp_association *asoc, void *arg)`, since 2.6: an association is begun,
/// in the context of who connects or sends.
#[kprobe]
pub fn association_begins(context: ProbeContext) -> u32 {
    let Some(association) = context.arg::<u64>(1) else {
        return 0;
    };
    let peer = association + u64::from(ASSOCIATION_PEER.load());
    if let Some(remote) = name_of(peer) {
        let owner = process::current(read(association, &ASSOCIATION_SOCK));
        follow(
            association,
            key(owner, remote, PROTOCOL_SCTP, DIRECTION_OUT),
        );
    }
    0
}

/// `struct sctp_ulpevent *sctp_ulpevent_make_assoc_change(const struct sctp_association *asoc, __u16 flags, __u16 state, …)`,
/// since 2.6: an association is up, or will never be.
#[kprobe]
pub fn association_changes(context: ProbeContext) -> u32 {
    let (Some(association), Some(state)) = (context.arg::<u64>(0), context.arg::<u32>(2)) else {
        return 0;
    };
    match state & 0xffff {
        COMM_UP => {
            if flow(association).is_none() {
                accept(association);
            }
            if let Some(flow) = flow(association) {
                // SAFETY: fields of a live map value; the kernel holds the socket, so nothing runs beside this.
                unsafe {
                    (*flow).answered = 1;
                    (*flow).sent += u64::from((*flow).last_second);
                    (*flow).last_second = 0;
                }
            }
        }
        CANNOT_START => {
            if let Some(flow) = flow(association) {
                // SAFETY: as above.
                unsafe { (*flow).error = why(association) };
            }
        }
        _ => {}
    }
    0
}

/// `void sctp_association_free(struct sctp_association *asoc)`, since 2.6.
#[kprobe]
pub fn association_ends(context: ProbeContext) -> u32 {
    if let Some(association) = context.arg::<u64>(0)
        && let Some(flow) = flow(association)
    {
        // SAFETY: fields of a live map value, as above.
        unsafe {
            if (*flow).error == 0 {
                (*flow).error = ECANCELED;
            }
        }
        end(&nothing(association).flow, flow);
    }
    0
}

/// `void sctp_outq_tail(struct sctp_outq *q, struct sctp_chunk *chunk, gfp_t gfp)`, since 2.6 (an `int` before 4.6).
#[kprobe]
pub fn association_out(context: ProbeContext) -> u32 {
    if let (Some(queue), Some(chunk)) = (context.arg::<u64>(0), context.arg(1))
        && let Some(flow) = flow(read(queue, &OUTQ_ASSOCIATION))
    {
        // SAFETY: fields of a live map value, as above.
        unsafe {
            if (*flow).answered != 0 {
                (*flow).sent += payload(chunk);
            } else {
                // Nothing leaves before the association is up. Its end is seen, so it needs no second, and what waits is
                // kept there.
                (*flow).last_second += payload(chunk) as u32;
            }
        }
    }
    0
}

/// `struct sctp_ulpevent *sctp_ulpevent_make_rcvmsg(struct sctp_association *asoc, struct sctp_chunk *chunk, gfp_t gfp)`, since
/// 2.6.
#[kprobe]
pub fn association_in(context: ProbeContext) -> u32 {
    if let (Some(association), Some(chunk)) = (context.arg(0), context.arg(1))
        && let Some(flow) = flow(association)
    {
        // SAFETY: as above.
        unsafe { (*flow).received += payload(chunk) };
    }
    0
}

/// An association from outside is up: it belongs to whose the socket is.
#[inline(always)]
fn accept(association: u64) {
    let sock: u64 = read(association, &ASSOCIATION_SOCK);
    let peer = association + u64::from(ASSOCIATION_PEER.load());
    if let Some((address, _)) = name_of(peer) {
        let owner = socket::owner(sock, socket::identify(sock));
        let place = (address, read(sock, &SOCK_LOCAL_PORT));
        follow(association, key(owner, place, PROTOCOL_SCTP, DIRECTION_IN));
    }
}

/// Why an association could not be started. The socket says so, unless it is one of many.
#[inline(always)]
fn why(association: u64) -> i32 {
    let error: i32 = read(read(association, &ASSOCIATION_SOCK), &SOCK_ERROR);
    if error != 0 {
        error
    } else if read::<u32>(association, &ASSOCIATION_TRIES) == 0 {
        ECONNREFUSED
    } else {
        ETIMEDOUT
    }
}

#[inline(always)]
fn follow(association: u64, destination: DestinationKey) {
    let _ = open(&nothing(association), 0, &destination);
    if let Some(flow) = flow(association) {
        // SAFETY: a field of a live map value, as above.
        unsafe { (*flow).last_second = 0 };
    }
}

#[inline(always)]
fn flow(association: u64) -> Option<*mut Flow> {
    FLOWS.get_ptr_mut(&nothing(association).flow)
}

/// The key of an association's flow, over which nothing passes yet.
#[inline(always)]
fn nothing(association: u64) -> Datagram {
    Datagram {
        flow: FlowKey {
            socket: association,
            address: Address::ANY,
            port: 0,
            protocol: PROTOCOL_SCTP,
            padding: 0,
            interface: 0,
        },
        local_port: 0,
        bytes: 0,
        sock: 0,
        packet: 0,
        led: 0,
    }
}

/// Bytes of payload in a chunk.
#[inline(always)]
fn payload(chunk: u64) -> u64 {
    let header: u64 = read(chunk, &CHUNK_HEADER);
    let length = u64::from(u16::from_be(read_at(header + 2)));
    for (kind, headers) in [DATA, I_DATA] {
        if read_at::<u8>(header) == kind {
            return length.saturating_sub(headers);
        }
    }
    0
}
