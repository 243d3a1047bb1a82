//! Datagrams as packets, where kprobes do not serve: what each socket's control group lets out and in.
//!
//! The programs are the control group's egress and ingress (`BPF_PROG_TYPE_CGROUP_SKB`, since 4.10). Egress runs once for
//! a datagram, before it is cut into fragments or segments, in the context of who sends it. Ingress runs in softirq,
//! before the datagram is queued. Packets of TCP pass at once.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_socket_cookie, bpf_sk_fullsock},
    macros::cgroup_skb,
    programs::SkBuffContext,
};
use tracer_common::{
    Address, FlowKey,
    map::{PROTOCOL_ICMP, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP},
};

use super::fast_path;
use super::flow::{Datagram, arrive, arrive_over_open, leave, leave_over_open};
use crate::{memory::address_of, process, socket};

/// The answer of a program that only looks: the packet goes on.
const PASS: i32 = 1;

// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u32 = 1;
const SOCK_RAW: u32 = 3;

// Protocol numbers of IANA that name no class of their own.
const UDP_LITE: u8 = 136;
const ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// The first byte of a header of IPv4 of five words.
pub const IPV4_WITHOUT_OPTIONS: u8 = (4 << 4) | 5;
pub const IPV4_HEADER: usize = 20;
pub const IPV6_HEADER: usize = 40;
pub const UDP_HEADER: usize = 8;
/// In place of a local port a raw socket has its protocol, which is less (`IPPROTO_MAX` is 263 in Linux 6.18).
const BEYOND_RAW: u32 = 400;
/// Most extension headers of IPv6 that are looked behind: the protocol has no more kinds that a host sends.
const EXTENSIONS: usize = 4;

/// `BPF_CGROUP_INET_EGRESS`.
#[cgroup_skb(egress)]
pub fn packet_out(context: SkBuffContext) -> i32 {
    if !fast_path::leave(&context) && !is_of_tcp(&context) {
        slow_out(context.as_ptr());
    }
    PASS
}

/// It is not on the fast path. A function of its own, as are those that it calls: the less code there is in one, the fewer
/// registers it keeps for its caller, and the stacks of both do not add up.
#[inline(never)]
fn slow_out(context: *mut c_void) {
    if !over_open_out(context) {
        other_out(context);
    }
}

/// It leaves, if its flow is open.
#[inline(never)]
fn over_open_out(context: *mut c_void) -> bool {
    over_open(&SkBuffContext::new(context.cast()), Way::Out, |datagram| {
        leave_over_open(datagram).is_some()
    })
}

/// Whatever else leaves.
#[inline(never)]
fn other_out(context: *mut c_void) {
    let context = SkBuffContext::new(context.cast());
    if let Some(datagram) = any(&context, Way::Out) {
        let sock = datagram.sock;
        leave(&datagram, datagram.flow.socket, || {
            (!socket::is_kernels(sock)).then(|| process::current_by_task(&context, sock))
        });
    }
}

/// `BPF_CGROUP_INET_INGRESS`.
#[cgroup_skb(ingress)]
pub fn packet_in(context: SkBuffContext) -> i32 {
    if !fast_path::arrive(&context) && !is_of_tcp(&context) {
        slow_in(context.as_ptr());
    }
    PASS
}

/// As [`slow_out`].
#[inline(never)]
fn slow_in(context: *mut c_void) {
    if !over_open_in(context) {
        other_in(context);
    }
}

/// It arrives, if its flow is open.
#[inline(never)]
fn over_open_in(context: *mut c_void) -> bool {
    over_open(&SkBuffContext::new(context.cast()), Way::In, |datagram| {
        arrive_over_open(datagram, datagram.flow.socket)
    })
}

/// Whatever else arrives, as [`other_out`].
#[inline(never)]
fn other_in(context: *mut c_void) {
    let context = SkBuffContext::new(context.cast());
    if let Some(datagram) = any(&context, Way::In) {
        arrive(&datagram, datagram.flow.socket, || {
            socket::is_kernels(datagram.sock)
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Out,
    In,
}

/// Whether a packet is TCP's, and its socket surely no raw one: the local port is a number that no raw one has.
#[inline(always)]
fn is_of_tcp(context: &SkBuffContext) -> bool {
    let skb = context.skb.skb;
    // SAFETY: fields of the context, which the kernel translates, and one that every socket has; bytes within the bounds that
    // are compared before.
    unsafe {
        let (start, end) = ((*skb).data as usize, (*skb).data_end as usize);
        if start + IPV6_HEADER > end {
            return false;
        }
        let bytes = start as *const u8;
        let protocol = match *bytes {
            IPV4_WITHOUT_OPTIONS => *bytes.add(9),
            first if first >> 4 == 6 => *bytes.add(6),
            _ => return false,
        };
        let sock = (*skb).__bindgen_anon_2.sk;
        protocol == PROTOCOL_TCP && !sock.is_null() && (*sock).src_port >= BEYOND_RAW
    }
}

/// Whether it is a datagram that passes over an open flow. It is not asked whether the socket is a full one, which would cost a
/// call: only a socket of UDP has such a flow.
#[inline(always)]
fn over_open(context: &SkBuffContext, way: Way, passes: impl FnOnce(&Datagram) -> bool) -> bool {
    let Some(packet) = near(context, way).filter(|packet| packet.protocol == PROTOCOL_UDP) else {
        return false;
    };
    ports(context, &packet).is_some_and(|ports| {
        let class = (PROTOCOL_UDP, ports, UDP_HEADER as u64);
        passes(&datagram(context, way, &packet, class, 0))
    })
}

/// The socket, and what passes; `None` for TCP and what is no IP packet.
#[inline(always)]
fn any(context: &SkBuffContext, way: Way) -> Option<Datagram> {
    // SAFETY: a field of the context, which the kernel translates.
    let sock = unsafe { (*context.skb.skb).__bindgen_anon_2.sk };
    if sock.is_null() {
        return None;
    }
    // SAFETY: a socket that is not null, as the helper asks for.
    let sock = unsafe { bpf_sk_fullsock(sock) };
    if sock.is_null() {
        return None;
    }
    // SAFETY: a full socket's fields.
    let (kind, protocol) = unsafe { ((*sock).type_, (*sock).protocol) };
    if kind == SOCK_STREAM && protocol == u32::from(PROTOCOL_TCP) {
        return None;
    }
    let packet = near(context, way).or_else(|| far(context, way))?;
    let class = class(context, kind, &packet)?;
    Some(datagram(
        context,
        way,
        &packet,
        class,
        address_of(sock.cast_const()),
    ))
}

/// `class` is what [`class`] says.
#[inline(always)]
fn datagram(
    context: &SkBuffContext,
    way: Way,
    packet: &Packet,
    (protocol, ports, header): (u8, (u16, u16), u64),
    sock: u64,
) -> Datagram {
    let (local, remote) = ends(way, ports);
    Datagram {
        flow: FlowKey {
            // SAFETY: the helper takes the context as it came.
            socket: unsafe { bpf_get_socket_cookie(context.skb.skb.cast()) },
            address: packet.remote,
            port: remote,
            protocol,
            padding: 0,
            more_padding: 0,
        },
        local_port: local,
        bytes: payload(context, packet, header),
        sock,
        // To the program it is the context, which is the packet.
        packet: context.skb.skb as u64,
    }
}

/// The local and the remote port, of the source and the destination port.
#[inline(always)]
fn ends(way: Way, (source, destination): (u16, u16)) -> (u16, u16) {
    match way {
        Way::Out => (source, destination),
        Way::In => (destination, source),
    }
}

/// Bytes behind the headers, of which the last one has so many itself.
#[inline(always)]
fn payload(context: &SkBuffContext, packet: &Packet, header: u64) -> u64 {
    u64::from(context.len())
        .saturating_sub(packet.payload as u64)
        .saturating_sub(header)
}

struct Packet {
    remote: Address,
    protocol: u8,
    /// Where the header of that protocol begins.
    payload: usize,
    /// The first word there, if it was at hand: the ports, where the protocol has them.
    ports: Option<u32>,
}

/// The headers as they mostly are: in one piece, without options, and more behind them.
#[inline(always)]
fn near(context: &SkBuffContext, way: Way) -> Option<Packet> {
    let skb = context.skb.skb;
    // SAFETY: fields of the context; the kernel makes pointers of them.
    let (start, end) = unsafe { ((*skb).data as usize, (*skb).data_end as usize) };
    if start + IPV4_HEADER + size_of::<u32>() > end {
        return None;
    }
    let (bytes, words) = (start as *const u8, start as *const u32);
    // SAFETY: within the bounds that were just compared, or are before the second read. An IP header is aligned as words
    // are, or the machine reads words wherever they lie: the kernel's own code does the same.
    unsafe {
        let first = *bytes;
        if first == IPV4_WITHOUT_OPTIONS {
            return Some(Packet {
                remote: Address::mapped(*words.add(if way == Way::Out { 4 } else { 3 })),
                protocol: *bytes.add(9),
                payload: IPV4_HEADER,
                ports: Some(*words.add(5)),
            });
        }
        if first >> 4 != 6 || start + IPV6_HEADER + size_of::<u32>() > end {
            return None;
        }
        let at = if way == Way::Out { 6 } else { 2 };
        let protocol = *bytes.add(6);
        (!is_extension(protocol)).then(|| Packet {
            remote: Address::of_words([
                *words.add(at),
                *words.add(at + 1),
                *words.add(at + 2),
                *words.add(at + 3),
            ]),
            protocol,
            payload: IPV6_HEADER,
            ports: Some(*words.add(10)),
        })
    }
}

/// The headers wherever they are.
#[inline(always)]
fn far(context: &SkBuffContext, way: Way) -> Option<Packet> {
    let first: [u8; IPV4_HEADER] = context.load(0).ok()?;
    match first[0] >> 4 {
        4 => Some(Packet {
            remote: Address::mapped(context.load(if way == Way::Out { 16 } else { 12 }).ok()?),
            protocol: first[9],
            payload: usize::from(first[0] & 15) * 4,
            ports: None,
        }),
        6 => {
            let remote = context.load(if way == Way::Out { 24 } else { 8 }).ok()?;
            let (protocol, payload) = behind_extensions(context, first[6])?;
            Some(Packet {
                remote: Address::of_words(remote),
                protocol,
                payload,
                ports: None,
            })
        }
        _ => None,
    }
}

fn is_extension(header: u8) -> bool {
    matches!(
        header,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
    )
}

/// The protocol behind the extension headers of IPv6 (RFC 8200, section 4), and where its header begins.
#[inline(always)]
fn behind_extensions(context: &SkBuffContext, mut next: u8) -> Option<(u8, usize)> {
    let mut at = IPV6_HEADER;
    for _ in 0..EXTENSIONS {
        if !is_extension(next) {
            break;
        }
        let header: [u8; 2] = context.load(at).ok()?;
        at += if next == FRAGMENT {
            8
        } else {
            (usize::from(header[1]) + 1) * 8
        };
        next = header[0];
    }
    Some((next, at))
}

/// Under which protocol a packet is counted, its source and destination port, and how long the header is that is none of
/// the payload. What a raw socket sends is raw, whatever it looks like; ICMP's header is payload, as a program writes it.
#[inline(always)]
fn class(context: &SkBuffContext, kind: u32, packet: &Packet) -> Option<(u8, (u16, u16), u64)> {
    // Volatile: the compiler knows on some ways which protocols it cannot be, and leaves out what those would need. The verifier
    // of Linux 5.10 does not know, tries them, and refuses. SAFETY: a reference.
    match unsafe { core::ptr::read_volatile(&raw const packet.protocol) } {
        PROTOCOL_ICMP | ICMPV6 => Some((PROTOCOL_ICMP, (0, 0), 0)),
        _ if kind == SOCK_RAW => Some((PROTOCOL_RAW, (0, 0), 0)),
        PROTOCOL_UDP | UDP_LITE => Some((PROTOCOL_UDP, ports(context, packet)?, UDP_HEADER as u64)),
        PROTOCOL_SCTP => Some((PROTOCOL_SCTP, ports(context, packet)?, 0)),
        _ => Some((PROTOCOL_RAW, (0, 0), 0)),
    }
}

#[inline(always)]
fn ports(context: &SkBuffContext, packet: &Packet) -> Option<(u16, u16)> {
    let word = match packet.ports {
        Some(word) => word,
        None => context.load(packet.payload).ok()?,
    };
    let both = u32::from_be(word);
    Some(((both >> 16) as u16, both as u16))
}
