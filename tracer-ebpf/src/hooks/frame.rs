//! Frames that a program makes itself and hands to an interface, past the IP stack: AF_PACKET, and AF_XDP where the kernel
//! copies.
//!
//! A contact is a program and what its frames say they are for: the destination is read from the frame where it is IP, and
//! unknown elsewhere. Nobody sees answers, so such a contact is over after two minutes of silence.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    macros::{btf_tracepoint, kprobe},
    programs::{BtfTracePointContext, ProbeContext},
};
use tracer_common::{
    Address, FlowKey,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP},
};

use super::flow::{Datagram, open, pass};
use crate::{
    counts::{add, key},
    maps::{FRAME, Frame},
    memory::{address_of, load, read, read_at},
    offsets::{
        ADJACENT_DEVICE, ADJACENT_LIST, DEVICE_UPPER, PACKET_DATA, PACKET_DATA_LENGTH,
        PACKET_DEVICE, PACKET_END, PACKET_HEAD, PACKET_LENGTH, PACKET_NETWORK, PACKET_SOCK,
        RING_BLOCK_FRAMES, RING_BLOCKS, RING_FRAME_BYTES, RING_HEAD, SHARED_FRAGMENTS, SOCK_FAMILY,
        is_known,
    },
    process,
};

// include/linux/socket.h
const AF_PACKET: u16 = 17;
const AF_XDP: u16 = 44;

// include/uapi/linux/if_ether.h, in network byte order.
const ETH_P_IP: u16 = 0x0800_u16.to_be();
const ETH_P_IPV6: u16 = 0x86dd_u16.to_be();
const ETH_P_8021Q: u16 = 0x8100_u16.to_be();
/// Bytes of an Ethernet header; its last two say what follows. And of what a VLAN puts between.
const ETHERNET_HEADER: u64 = 14;
const VLAN_HEADER: u64 = 4;

/// Most devices upon a device that are looked at.
const UPPER: usize = 16;

/// `net:net_dev_queue(struct sk_buff *skb)`, since 2.6.37: a packet is handed to a device, in the context of who sends it.
///
/// It runs for every packet of the machine: all but those of such programs are left after two reads. The verifier knows what
/// the argument is (since 5.5, with BTF, without which frames are not seen anyway), so they are loads and not calls: a tenth
/// of the time.
#[btf_tracepoint(function = "net_dev_queue")]
pub fn frame_out(context: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier knows both structures by their types, and has found the offsets to be those of their members.
    let family = unsafe {
        let sock: *const c_void = load(context.arg(0), &PACKET_SOCK);
        if sock.is_null() {
            return 0;
        }
        load(sock, &SOCK_FAMILY)
    };
    if is_of_frames(family) {
        count_typed(context.as_ptr());
    }
    0
}

/// Counts the frame that [`frame_out`] was run for. A function of its own: what is done for every packet needs few registers.
#[inline(never)]
fn count_typed(context: *mut c_void) {
    let packet: *const c_void = BtfTracePointContext::new(context).arg(0);
    let packet = address_of(packet);
    count(packet, read(packet, &PACKET_SOCK));
}

/// `int __dev_direct_xmit(struct sk_buff *skb, u16 queue_id)`, since 5.9: the same past the device's queue
/// (`PACKET_QDISC_BYPASS`, AF_XDP).
#[kprobe]
pub fn frame_out_directly(context: ProbeContext) -> u32 {
    let Some(packet) = context.arg(0) else {
        return 0;
    };
    let sock: u64 = read(packet, &PACKET_SOCK);
    if sock != 0 && is_of_frames(read(sock, &SOCK_FAMILY)) {
        count(packet, sock);
    }
    0
}

/// Whether a socket of this family is for frames.
#[inline(always)]
fn is_of_frames(family: u16) -> bool {
    matches!(family, AF_PACKET | AF_XDP)
}

/// Counts the frame. A function of its own, called for few: its stack would be set up for every packet.
#[inline(never)]
fn count(packet: u64, sock: u64) {
    let device = read(packet, &PACKET_DEVICE);
    if is_repeated(packet, device) {
        return;
    }
    let process = process::current(sock);
    let (remote, bytes) = content(packet, sock);
    let datagram = Datagram {
        flow: FlowKey {
            socket: process,
            address: remote.0,
            port: remote.1,
            protocol: PROTOCOL_RAW,
            padding: 0,
            interface: 0,
        },
        local_port: 0,
        bytes,
        sock: 0,
        packet: 0,
        led: 0,
    };
    if let Some(flow) = pass(&datagram.flow, DIRECTION_IN) {
        // SAFETY: a field of a live map value; no reference is made.
        add(unsafe { &raw mut (*flow).sent }, bytes);
    } else {
        let _ = open(
            &datagram,
            0,
            &key(process, remote, PROTOCOL_RAW, DIRECTION_OUT),
        );
    }
    remember(packet, device);
}

/// Whether the packet is the one that was counted before on this processor, which a device that is built upon `device` (a
/// VLAN, a bridge, a macvlan) hands on to it. The same place in memory alone says little: the next frame may get it.
#[inline(always)]
fn is_repeated(packet: u64, device: u64) -> bool {
    let Some(last) = FRAME.get_ptr(0) else {
        return false;
    };
    // SAFETY: this processor's own value; frames are sent by programs, which do not interrupt each other here.
    let last = unsafe { *last };
    last.packet == packet && last.device != device && is_upon(last.device, device)
}

/// Whether the device `upper` is built upon the device `lower`.
#[inline(always)]
fn is_upon(upper: u64, lower: u64) -> bool {
    if !is_known(&DEVICE_UPPER) {
        return false;
    }
    let list = lower + u64::from(DEVICE_UPPER.load());
    let mut next: u64 = read_at(list);
    for _ in 0..UPPER {
        if next == list || next == 0 {
            break;
        }
        let adjacent = next - u64::from(ADJACENT_LIST.load());
        if read::<u64>(adjacent, &ADJACENT_DEVICE) == upper {
            return true;
        }
        next = read_at(next);
    }
    false
}

/// Keeps which packet was counted.
#[inline(always)]
fn remember(packet: u64, device: u64) {
    if let Some(last) = FRAME.get_ptr_mut(0) {
        // SAFETY: as in `is_repeated`.
        unsafe { *last = Frame { packet, device } };
    }
}

/// Address and port that a frame is for, and its payload: behind the IP header where it is IP, else behind the header of
/// the link.
#[inline(always)]
fn content(packet: u64, sock: u64) -> ((Address, u16), u64) {
    let head: u64 = read(packet, &PACKET_HEAD);
    let data: u64 = read(packet, &PACKET_DATA);
    let network = head + u64::from(read::<u16>(packet, &PACKET_NETWORK));
    let link = network.saturating_sub(data);
    let mut bytes = u64::from(read::<u32>(packet, &PACKET_LENGTH)).saturating_sub(link);
    let mut kind = if link >= ETHERNET_HEADER {
        read_at(network - 2)
    } else {
        // A device without addresses, as tunnels are: IP says itself which it is.
        match read_at::<u8>(network) >> 4 {
            4 => ETH_P_IP,
            6 => ETH_P_IPV6,
            _ => 0,
        }
    };
    let Some(mut at) = in_memory(packet, sock, head, network) else {
        return ((Address::ANY, 0), bytes);
    };
    if kind == ETH_P_8021Q {
        kind = read_at(at + 2);
        at += VLAN_HEADER;
        bytes = bytes.saturating_sub(VLAN_HEADER);
    }
    let (address, protocol, header) = match kind {
        ETH_P_IP => (
            Address::mapped(read_at(at + 16)),
            read_at::<u8>(at + 9),
            u64::from(read_at::<u8>(at) & 15) * 4,
        ),
        ETH_P_IPV6 => (read_at(at + 24), read_at::<u8>(at + 6), 40),
        _ => return ((Address::ANY, 0), bytes),
    };
    let port = match protocol {
        PROTOCOL_TCP | PROTOCOL_UDP | PROTOCOL_SCTP => u16::from_be(read_at(at + header + 2)),
        _ => 0,
    };
    ((address, port), bytes.saturating_sub(header))
}

/// Where in memory lies what stands behind the link's header. It is behind it, but for a frame of a ring that a program
/// shares with the kernel (`PACKET_TX_RING`): that stays in the ring, and is the one at its head.
#[inline(always)]
fn in_memory(packet: u64, sock: u64, head: u64, network: u64) -> Option<u64> {
    if read::<u32>(packet, &PACKET_DATA_LENGTH) == 0 {
        return Some(network);
    }
    let blocks: u64 = read(sock, &RING_BLOCKS);
    let frames_per_block: u32 = read(sock, &RING_BLOCK_FRAMES);
    if !is_known(&RING_BLOCKS) || blocks == 0 || frames_per_block == 0 {
        return None;
    }
    let frame: u32 = read(sock, &RING_HEAD);
    let block: u64 = read_at(blocks + u64::from(frame / frames_per_block) * 8);
    let bytes: u32 = read(sock, &RING_FRAME_BYTES);
    let entry = block + u64::from(frame % frames_per_block) * u64::from(bytes);
    // The frame lies behind the kernel's header in the same page or the next one; the first fragment says where in its page
    // it begins: `struct bio_vec`, or `skb_frag_t`, is a pointer, a length and an offset.
    let shared = head + u64::from(read::<u32>(packet, &PACKET_END));
    let offset: u32 = read_at(shared + u64::from(SHARED_FRAGMENTS.load()) + 12);
    Some(entry + (u64::from(offset).wrapping_sub(entry) & 0xfff))
}
