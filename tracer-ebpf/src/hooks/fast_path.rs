//! The fast path of datagrams: a flow that lasts is found by the address of its socket, in an array, and counted there.
//!
//! Everywhere else a datagram costs a call for its socket's cookie and the look-up of a hash, which take longer than all the
//! rest. User space decides which flow has the slot of its socket (`kernel/fast_flows.rs` in `tracer`); it loses it
//! when the socket is closed, so that the next socket at the same address finds nothing there.

use aya_ebpf::{
    bindings::{__sk_buff, bpf_sock},
    programs::{SkBuffContext, SockAddrContext},
};
use tracer_common::{
    Address, FastFlow, FlowKey,
    fast::{self, FAST, FAST_IPV4},
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_UDP},
};

use super::{
    arrived::OPEN_FLOW,
    flow::is_silent,
    headers::{IPV4_HEADER, IPV4_WITHOUT_OPTIONS, IPV6_HEADER, Way},
    packet::UDP_HEADER,
};
use crate::{
    counts::add,
    maps::{ARRIVED, FAST_FLOWS},
    memory::address_of,
};

/// A datagram leaves; `false` where its flow is not on the fast path.
#[inline(always)]
pub fn leave(context: &SkBuffContext) -> bool {
    let Some((flow, bytes)) = flow_of(context, Way::Out) else {
        return false;
    };
    // SAFETY: a field of a live map value; no reference is made.
    add(unsafe { &raw mut (*flow).sent }, bytes);
    true
}

/// It arrives, as [`leave`].
#[inline(always)]
pub fn arrive(context: &SkBuffContext) -> bool {
    let Some((flow, bytes)) = flow_of(context, Way::In) else {
        return false;
    };
    // SAFETY: as in `leave`; a field of the context; and this processor's own value, softirq does not interrupt itself.
    unsafe {
        if let Some(arrived) = ARRIVED.get_ptr_mut(0) {
            (&raw mut (*arrived).socket)
                .cast::<*mut bpf_sock>()
                .write((*context.skb.skb).__bindgen_anon_2.sk);
            (*arrived).bytes = bytes;
            (&raw mut (*arrived).packet)
                .cast::<*mut __sk_buff>()
                .write(context.skb.skb);
            (*arrived).counted = OPEN_FLOW;
        }
        add(&raw mut (*flow).received, bytes);
    }
    true
}

/// Whether datagrams to that remote, whose port is in network byte order, leave over a flow of the fast path. A call is about to
/// send one over its socket.
#[inline(always)]
pub fn has(context: &SockAddrContext, address: &Address, remote_port: u16) -> bool {
    // SAFETY: a field of the context, which the kernel translates.
    let sock = unsafe { (*context.sock_addr).__bindgen_anon_1.sk };
    if sock.is_null() {
        return false;
    }
    let distance = (sock as u64).wrapping_sub(&raw const FAST_FLOWS as u64);
    let Some(flow) = at(slot(distance)) else {
        return false;
    };
    // SAFETY: fields of a live map value; the only reference is to what does not change while `port` is what it is.
    unsafe {
        (*flow).sock == sock as u64
            && !is_silent((*flow).last_second, (*flow).second)
            && (*flow).port == fast::port(address, u16::from_be(remote_port))
            && (*flow).address == *address
    }
}

/// What arrived last over the socket at `sock` was not received after all.
#[inline(always)]
pub fn take_back(sock: u64, bytes: u64) {
    if let Some(flow) = at(slot_of(sock)) {
        // SAFETY: as in `leave`. The slot is still the flow's: user space gives it away a second after the socket's end.
        add(unsafe { &raw mut (*flow).received }, bytes.wrapping_neg());
    }
}

/// Closes the slot of the socket at `sock`, which is closed. What was counted there stays.
#[inline(always)]
pub fn close(sock: u64) {
    if let Some(flow) = at(slot_of(sock)) {
        // SAFETY: fields of a live map value; no reference is made.
        unsafe {
            if (*flow).sock == sock {
                (*flow).sock = 0;
            }
        }
    }
}

/// The slot of an open flow, if it has one, whether datagrams are still counted there or not.
#[inline(always)]
pub fn of(key: &FlowKey, slot: u32) -> Option<*mut FastFlow> {
    let flow = at(slot)?;
    // SAFETY: as in `close`.
    unsafe {
        ((*flow).socket == key.socket
            && (*flow).port == fast::port(&key.address, key.port)
            && (*flow).address == key.address)
            .then_some(flow)
    }
}

/// The only slot that a flow of the socket at `sock` can have.
#[inline(always)]
pub fn slot_of(sock: u64) -> u32 {
    slot(sock.wrapping_sub(address_of(&raw const FAST_FLOWS)))
}

/// The same by how far from the map the socket lies: the verifier lets a program have the difference of two pointers as a
/// number, and not a pointer.
///
/// Fibonacci hashing (Knuth, The Art of Computer Programming 3, section 6.4) of multiples of 64 bytes, a line of the cache.
#[inline(always)]
fn slot(distance: u64) -> u32 {
    ((distance >> 6) as u32).wrapping_mul(0x9e37_79b1) >> (u32::BITS - fast::FAST_FLOWS.ilog2())
}

#[inline(always)]
fn at(slot: u32) -> Option<*mut FastFlow> {
    let slots = FAST_FLOWS.get_ptr_mut(0)?.cast::<FastFlow>();
    // SAFETY: a live map value; the mask is what says to the verifier that the slot lies in it.
    Some(unsafe { slots.add((slot & (fast::FAST_FLOWS - 1)) as usize) })
}

/// The flow over which a datagram passes, and its payload. The packet is not looked at further than to compare it with what
/// is known of the flow.
#[inline(always)]
fn flow_of(context: &SkBuffContext, way: Way) -> Option<(*mut FastFlow, u64)> {
    let skb = context.skb.skb;
    // SAFETY: fields of the context; the kernel makes pointers of them.
    let (start, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
    if start + IPV4_HEADER + UDP_HEADER > end {
        return None;
    }
    let bytes = start as *const u8;
    let length = u64::from(context.len());
    // SAFETY: within the bounds that were just compared, or are before the longer header is read.
    unsafe {
        if *bytes == IPV4_WITHOUT_OPTIONS {
            if *bytes.add(9) != PROTOCOL_UDP {
                return None;
            }
            let remote = word(bytes, if way == Way::Out { 16 } else { 12 });
            let port = port(bytes.add(IPV4_HEADER), way) | FAST_IPV4;
            let flow = of_socket(context, way, port, |address| address.last() == remote)?;
            Some((flow, length.wrapping_sub((IPV4_HEADER + UDP_HEADER) as u64)))
        } else {
            if *bytes >> 4 != 6
                || start + IPV6_HEADER + UDP_HEADER > end
                || *bytes.add(6) != PROTOCOL_UDP
            {
                return None;
            }
            let at = if way == Way::Out { 24 } else { 8 };
            let remote = Address::of_words([
                word(bytes, at),
                word(bytes, at + 4),
                word(bytes, at + 8),
                word(bytes, at + 12),
            ]);
            let port = port(bytes.add(IPV6_HEADER), way) | FAST;
            let flow = of_socket(context, way, port, |address| *address == remote)?;
            Some((flow, length.wrapping_sub((IPV6_HEADER + UDP_HEADER) as u64)))
        }
    }
}

/// Four bytes of a packet.
///
/// # Safety
///
/// They must lie within it. As for alignment, see [`super::packet`].
#[inline(always)]
unsafe fn word(bytes: *const u8, at: usize) -> u32 {
    // SAFETY: as said.
    unsafe { *((bytes as usize + at) as *const u32) }
}

/// The remote's port as the header of UDP has it.
///
/// # Safety
///
/// The header must lie within the packet.
#[inline(always)]
unsafe fn port(header: *const u8, way: Way) -> u32 {
    let at = if way == Way::Out { 2 } else { 0 };
    // SAFETY: as said.
    u32::from(unsafe { *((header as usize + at) as *const u16) })
}

/// The flow of the packet's socket, if it is that of this remote.
#[inline(always)]
fn of_socket(
    context: &SkBuffContext,
    way: Way,
    port: u32,
    is_remote: impl FnOnce(&Address) -> bool,
) -> Option<*mut FastFlow> {
    // SAFETY: a field of the context, which the kernel translates.
    let sock = unsafe { (*context.skb.skb).__bindgen_anon_2.sk };
    // One that is bound to an interface may have been before, or to another one. SAFETY: as above.
    if sock.is_null() || unsafe { (*sock).bound_dev_if } != 0 {
        return None;
    }
    let distance = (sock as u64).wrapping_sub(&raw const FAST_FLOWS as u64);
    let flow = at(slot(distance))?;
    // SAFETY: fields of a live map value; the only reference is to what does not change while `port` is what it is. Two
    // answers at once write the same.
    unsafe {
        if (*flow).sock != sock as u64 || (*flow).port != port || !is_remote(&(*flow).address) {
            return None;
        }
        let (last, now) = ((*flow).last_second, (*flow).second);
        // Written only where it changes: two processors need not pass the line to and fro for it.
        if last != now {
            // It is over: `flow::pass` ends it.
            if is_silent(last, now) {
                return None;
            }
            (*flow).last_second = now;
        }
        let answers = match way {
            Way::Out => DIRECTION_IN,
            Way::In => DIRECTION_OUT,
        };
        if (*flow).answered == 0 && (*flow).direction == u16::from(answers) {
            (*flow).answered = 1;
        }
    }
    Some(flow)
}
