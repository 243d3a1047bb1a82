//! Which datagrams may say a name? QUIC's first ones that a client sends, and DNS both ways.

use core::ffi::c_void;

use aya_ebpf::programs::SkBuffContext;
use tracer_common::{
    Flow, FlowKey, NameEvent,
    map::{DIRECTION_OUT, PROTOCOL_UDP},
    name::{DATAGRAM_IN, DATAGRAM_OUT, DNS, LARGEST, LLMNR, MULTICAST_DNS, STREAM_BYTES},
};

use super::{
    are_wanted,
    copy::{copy, load},
};
use crate::{
    clock::now,
    hooks::{flow::Datagram, lookup},
    offsets::BY_ADDRESS,
    process,
};

/// Whether a datagram to or from that port may be DNS.
#[inline(always)]
pub fn is_dns(port: u16) -> bool {
    matches!(port, DNS | MULTICAST_DNS | LLMNR)
}

/// Whether what leaves over a flow is worth a look: DNS, or what began here and has not sent much yet. A server's first datagrams of QUIC
/// name nobody.
#[inline(always)]
pub fn is_of_interest(key: &FlowKey, flow: *const Flow) -> bool {
    if !are_wanted() || key.protocol != PROTOCOL_UDP {
        return false;
    }
    // SAFETY: fields of a live map value.
    let (direction, sent) = unsafe { ((*flow).destination.direction, (*flow).sent) };
    is_dns(key.port) || (direction == DIRECTION_OUT && sent <= u64::from(STREAM_BYTES))
}

/// A datagram leaves over an open flow.
#[inline(always)]
pub fn datagram_out(context: *mut c_void, datagram: &Datagram, flow: *mut Flow) {
    if is_of_interest(&datagram.flow, flow) {
        let _ = may_name(context, datagram, flow);
    }
}

/// One arrives.
#[inline(always)]
pub fn datagram_in(context: *mut c_void, datagram: &Datagram) {
    if are_wanted() && datagram.flow.protocol == PROTOCOL_UDP && is_dns(datagram.flow.port) {
        let _ = answers(context, datagram);
    }
}

#[inline(never)]
pub fn answers(context: *mut c_void, datagram: &Datagram) -> u32 {
    let mut event = NameEvent {
        kind: DATAGRAM_IN,
        ..of_datagram(datagram)
    };
    copy_datagram(context, datagram, &mut event)
}

#[inline(never)]
pub fn may_name(context: *mut c_void, datagram: &Datagram, flow: *mut Flow) -> u32 {
    if !is_dns(datagram.flow.port) && !is_initial(context, datagram) {
        return 0;
    }
    let thread = process::thread();
    // SAFETY: fields of a live map value that do not change, and one of the context.
    let mut event = unsafe {
        NameEvent {
            began_ns: (*flow).began_ns,
            process: (*flow).destination.process,
            thread,
            within_call: if is_dns(datagram.flow.port) {
                lookup::call::asks(thread)
            } else {
                0
            },
            kind: DATAGRAM_OUT,
            segment: segment_size(context),
            ..of_datagram(datagram)
        }
    };
    copy_datagram(context, datagram, &mut event)
}

#[inline(always)]
fn of_datagram(datagram: &Datagram) -> NameEvent {
    NameEvent {
        socket: datagram.flow.socket,
        began_ns: 0,
        at_ns: now(),
        process: 0,
        thread: 0,
        within_call: 0,
        address: datagram.flow.address,
        port: datagram.flow.port,
        protocol: PROTOCOL_UDP,
        kind: 0,
        offset: 0,
        length: 0,
        segment: 0,
    }
}

/// Bytes of each datagram of a packet that is several; a call does not say it.
#[inline(always)]
fn segment_size(context: *mut c_void) -> u32 {
    if BY_ADDRESS.load() != 0 {
        return 0;
    }
    // SAFETY: a field of the context.
    unsafe { (*SkBuffContext::new(context.cast()).skb.skb).gso_size }
}

/// Where in its packet a datagram's payload begins.
#[inline(always)]
fn payload(context: *mut c_void, datagram: &Datagram) -> u32 {
    if BY_ADDRESS.load() != 0 {
        return 0;
    }
    let context = SkBuffContext::new(context.cast());
    context.len().wrapping_sub(datagram.bytes as u32)
}

/// Whether a datagram begins as those of QUIC do that a client sends first: a long header of version 1 (RFC 9000 section 17.2.2) or 2
/// (RFC 9369 section 3.2), of type Initial.
#[inline(always)]
fn is_initial(context: *mut c_void, datagram: &Datagram) -> bool {
    let mut first = [0_u8; 8];
    // SAFETY: an array of as many bytes.
    let failed = unsafe {
        load(
            context,
            payload(context, datagram),
            first.as_mut_ptr().cast(),
            8,
        )
    };
    let first = u64::from_be_bytes(first);
    let (form, version) = (first >> 60, (first >> 24) as u32);
    failed == 0 && ((form == 0b1100 && version == 1) || (form == 0b1101 && version == 0x6b33_43cf))
}

#[inline(always)]
fn copy_datagram(context: *mut c_void, datagram: &Datagram, event: &mut NameEvent) -> u32 {
    // DNS says nothing in more than one of these, and a client of QUIC no name.
    let length = if datagram.bytes < LARGEST as u64 {
        datagram.bytes as u32
    } else {
        LARGEST as u32
    };
    copy(context, event, payload(context, datagram), length)
}
