//! The datagram that arrived last on this processor, which its socket may refuse right after: its queue is full, or its own filter
//! does not let it through. Then it has not arrived.

use core::ptr::copy_nonoverlapping;

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use tracer_common::DestinationKey;

use super::{fast_path, flow::Datagram};
use crate::{
    counts::{add, take_back_bytes},
    maps::{ARRIVED, Arrived, FLOWS},
    offsets::{BY_ADDRESS, DROP_BY_FILTER},
    socket,
};

/// `udp:udp_fail_queue_rcv_skb(int rc, struct sock *sk)`, since 3.1: right after it arrived, on the same processor, for a
/// datagram that found its socket's queue full.
#[raw_tracepoint(tracepoint = "udp_fail_queue_rcv_skb")]
pub fn datagram_refused(context: RawTracePointContext) -> i32 {
    refuse_last(context.arg(1));
    0
}

/// `sock:sock_rcvqueue_full(struct sock *sk, struct sk_buff *skb)`, since 3.2: the same for a raw socket.
#[raw_tracepoint(tracepoint = "sock_rcvqueue_full")]
pub fn raw_refused(context: RawTracePointContext) -> i32 {
    refuse_last(context.arg(0));
    0
}

/// `skb:kfree_skb(struct sk_buff *skb, void *location, enum skb_drop_reason reason, …)`, since 2.6.30, with the reason since 5.17: a
/// packet is dropped. Of those that had arrived at a socket, what the socket's own filter (`SO_ATTACH_FILTER`, `SO_ATTACH_BPF`)
/// refuses, right after, on the same processor. One that was queued may be dropped too, unread: it has arrived.
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub fn datagram_filtered(context: RawTracePointContext) -> i32 {
    if context.arg::<u32>(2) == DROP_BY_FILTER.load() {
        refuse(context.arg(0));
    }
    0
}

/// What a datagram was counted in.
pub const OPEN_FLOW: u64 = 0;
/// It opened its flow.
pub const NEW_FLOW: u64 = 1;
/// Its flow found no room: a counter of its destination.
pub const ALONE: u64 = 2;

/// This arrived last on this processor, should its socket not take it. `counted` is one of the above; only for the last of them
/// `destination` is looked at.
#[inline(always)]
pub fn remember(
    datagram: &Datagram,
    socket: u64,
    counted: u64,
    destination: *const DestinationKey,
) {
    let Some(arrived) = ARRIVED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this processor's own value; softirq does not interrupt itself. `destination` lies in another map or on the
    // stack. Said to the compiler, which would make a call of a copy that may overlap.
    unsafe {
        (*arrived).socket = socket;
        copy_nonoverlapping(&raw const datagram.flow, &raw mut (*arrived).flow, 1);
        if counted == ALONE {
            copy_nonoverlapping(destination, &raw mut (*arrived).destination, 1);
        }
        (*arrived).bytes = datagram.bytes;
        (*arrived).packet = datagram.packet;
        (*arrived).counted = counted;
    }
}

/// The datagram that arrived last on this processor found the queue of the socket at `sock` full. Other kinds of sockets
/// have such queues too, and are not meant.
#[inline(always)]
fn refuse_last(sock: u64) {
    let Some(arrived) = ARRIVED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this processor's own value; softirq does not interrupt itself.
    let arrived = unsafe { &mut *arrived };
    let is_fast = BY_ADDRESS.load() == 0 && arrived.socket == sock;
    if is_fast || arrived.socket == socket::key_of(sock) {
        take_back(arrived);
    }
}

/// The packet at `packet` was refused by its socket's own filter.
#[inline(always)]
fn refuse(packet: u64) {
    let Some(arrived) = ARRIVED.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: this processor's own value; softirq does not interrupt itself.
    let arrived = unsafe { &mut *arrived };
    if arrived.packet == packet {
        take_back(arrived);
    }
}

/// It did not arrive.
#[inline(always)]
fn take_back(arrived: &mut Arrived) {
    arrived.packet = 0;
    if is_address(arrived.socket) {
        fast_path::take_back(arrived.socket, arrived.bytes);
    } else if arrived.counted == ALONE {
        take_back_bytes(&arrived.destination, arrived.bytes);
    } else if let Some(flow) = FLOWS.get_ptr_mut(&arrived.flow) {
        // SAFETY: a field of a live map value; no reference is made.
        let left = unsafe {
            add(&raw mut (*flow).received, arrived.bytes.wrapping_neg());
            (*flow).received | (*flow).sent
        };
        if arrived.counted == NEW_FLOW && left == 0 {
            // Nobody was told of it.
            let _ = FLOWS.remove(&arrived.flow);
        }
    }
    arrived.bytes = 0;
}

/// Whether the socket of what arrived is known by the address of its `struct sock` where others are by their cookies: on the fast path.
#[inline(always)]
fn is_address(socket: u64) -> bool {
    BY_ADDRESS.load() == 0 && socket >> 63 != 0
}
