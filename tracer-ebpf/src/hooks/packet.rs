//! Datagrams as packets, where kprobes do not serve: what each socket's control group lets out and in.
//!
//! The programs are the control group's egress and ingress (`BPF_PROG_TYPE_CGROUP_SKB`, since 4.10). Egress runs once for
//! a datagram, before it is cut into fragments or segments, in the context of who sends it. Ingress runs in softirq,
//! before the datagram is queued. Packets of TCP pass at once.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_sock,
    helpers::generated::{bpf_get_socket_cookie, bpf_sk_fullsock},
    macros::cgroup_skb,
    programs::SkBuffContext,
};
use tracer_common::{
    Address, FlowKey,
    map::{
        HANDLE_NO_OWNER, PROTOCOL_ICMP, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP,
        counter,
    },
};

use super::{
    asked, fast_path,
    flow::{Datagram, arrive, arrive_over_open, leave_first, leave_over_open, mark_led},
    handed,
    headers::{IPV4_WITHOUT_OPTIONS, IPV6_HEADER, Packet, Way, look_further, near, ports},
    name,
};
use crate::{
    counts::tally,
    maps::FLOWS,
    memory::{address_of, forget},
    offsets::{SOCK_INTERFACE, is_known},
    process, socket,
};

/// The answer of a program that only looks: the packet goes on.
const PASS: i32 = 1;

// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u32 = 1;
const SOCK_RAW: u32 = 3;

// Protocol numbers of IANA that name no class of their own.
const UDP_LITE: u8 = 136;
pub const ICMPV6: u8 = 58;
/// The port of IPsec's packets inside UDP (RFC 3948), and of who negotiates them.
const ESP_IN_UDP: u16 = 4500;
/// Bytes of UDP's header.
pub const UDP_HEADER: usize = 8;
/// In place of a local port a raw socket has its protocol, which is less (`IPPROTO_MAX` is 263 in Linux 6.18).
const BEYOND_RAW: u32 = 400;

/// `BPF_CGROUP_INET_EGRESS`.
#[cgroup_skb(egress)]
pub fn packet_out(context: SkBuffContext) -> i32 {
    if is_of_tcp(&context) {
        if name::are_wanted() {
            name::stream_out(&context);
        }
    } else if !fast_path::leave(&context) {
        let context = context.as_ptr();
        if !over_open_out(context) {
            other_out(context);
        }
    }
    PASS
}

/// It is not on the fast path. It leaves, if its flow is open.
///
/// A function of its own, as are those below: the less code there is in one, the fewer registers it keeps for its caller, and the
/// stacks of two do not add up.
#[inline(never)]
fn over_open_out(context: *mut c_void) -> bool {
    over_open(&SkBuffContext::new(context.cast()), Way::Out, |datagram| {
        let flow = leave_over_open(datagram);
        if let Some(flow) = flow {
            name::datagram_out(context, datagram, flow);
        }
        flow.is_some()
    })
}

/// Whatever else leaves.
#[inline(never)]
fn other_out(context: *mut c_void) {
    let mut datagram = Datagram::default();
    let form = any(context, Way::Out, &mut datagram);
    if form == HIDDEN {
        tally(counter::PAYLOAD_HIDDEN);
    }
    if form == NONE {
        return;
    }
    if let Some(flow) = leave_over_open(&datagram) {
        name::datagram_out(context, &datagram, flow);
        return;
    }
    // What a program has sent may leave when it has closed the socket. What SCTP still says then is nobody's contact.
    let is_late = socket::is_closed(datagram.sock) && datagram.flow.protocol != PROTOCOL_SCTP;
    if socket::is_kernels(datagram.sock) && !is_late {
        return;
    }
    if datagram.flow.protocol == PROTOCOL_UDP
        && ask(context, form, &mut datagram) != 0
        && let Some(flow) = leave_over_open(&datagram)
    {
        mark_led(flow, datagram.sock);
        name::datagram_out(context, &datagram, flow);
        return;
    }
    forget(&mut datagram);
    let sender = sender(datagram.sock, datagram.flow.socket);
    let _ = leave_first(&datagram, datagram.flow.socket, sender);
    if name::are_wanted()
        && let Some(flow) = FLOWS.get_ptr_mut(&datagram.flow)
    {
        name::datagram_out(context, &datagram, flow);
    }
}

/// Puts the remote that the call named in place of the one that the packet has. 0 where that is the same, or not known.
#[inline(never)]
fn ask(context: *mut c_void, form: u32, datagram: &mut Datagram) -> u32 {
    let flow = &mut datagram.flow;
    let context = SkBuffContext::new(context.cast());
    if let Some(sock) = full_socket(&context)
        && let Some((address, port)) = asked::asked(flow.socket, sock)
        && (address != flow.address || port != flow.port)
    {
        let packet = *flow;
        flow.address = address;
        flow.port = port;
        flow.interface = interface(&context, &address);
        if form == PLAIN {
            asked::translated(flow, &packet);
        }
        datagram.led = 1;
        return 1;
    }
    0
}

/// Who sends what leaves: the running program, unless it lets another one's packet go on, as a firewall in user space does. That one
/// does not hold the socket; its owner is taken then.
#[inline(never)]
#[unsafe(export_name = "packet_sender")]
extern "C" fn sender(sock: u64, cookie: u64) -> u64 {
    // Even where the socket is not quite closed yet.
    if let Some(owner) = asked::owner_of_closed(cookie) {
        return owner;
    }
    if socket::is_closed(sock) {
        return HANDLE_NO_OWNER;
    }
    if !asked::is_callers(cookie)
        && let Some(owner) = socket::known_owner(cookie)
        && process::is_other(owner)
        && process::holds(socket::file(sock)) == process::NO
    {
        return owner;
    }
    process::current_by_task(sock)
}

/// `BPF_CGROUP_INET_INGRESS`.
#[cgroup_skb(ingress)]
pub fn packet_in(context: SkBuffContext) -> i32 {
    if is_of_tcp(&context) {
        if name::are_wanted() {
            name::stream_in(&context);
        }
    } else if !fast_path::arrive(&context) {
        let context = context.as_ptr();
        if !over_open_in(context) {
            other_in(context);
        }
    }
    PASS
}

/// It arrives, if its flow is open.
#[inline(never)]
fn over_open_in(context: *mut c_void) -> bool {
    over_open(&SkBuffContext::new(context.cast()), Way::In, |datagram| {
        let is_open = arrive_over_open(datagram, datagram.flow.socket);
        if is_open {
            name::datagram_in(context, datagram);
        }
        is_open
    })
}

/// Whatever else arrives, as [`other_out`].
#[inline(never)]
fn other_in(context: *mut c_void) {
    let mut datagram = Datagram::default();
    if any(context, Way::In, &mut datagram) != NONE {
        arrive(&datagram, datagram.flow.socket, || {
            socket::is_kernels(datagram.sock)
        });
        name::datagram_in(context, &datagram);
    }
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

/// There is none of it.
const NONE: u32 = 0;
/// A packet carries a datagram to the remote that its header says.
const PLAIN: u32 = 1;
/// By a source route, or inside another packet.
const ROUTED: u32 = 2;
/// Inside another packet that nobody can look into.
const HIDDEN: u32 = 3;

/// The packet's socket, where it is one with all that sockets have.
#[inline(always)]
fn full_socket(context: &SkBuffContext) -> Option<*const bpf_sock> {
    // SAFETY: a field of the context, which the kernel translates.
    let sock = unsafe { (*context.skb.skb).__bindgen_anon_2.sk };
    if sock.is_null() {
        return None;
    }
    // SAFETY: a socket that is not null, as the helper asks for.
    let sock = unsafe { bpf_sk_fullsock(sock) }.cast_const();
    (!sock.is_null()).then_some(sock)
}

/// What passes, and which of the above it is; none for TCP and what is no IP packet. A function of its own, as is [`over_open_out`].
#[inline(never)]
fn any(context: *mut c_void, way: Way, into: &mut Datagram) -> u32 {
    let context = &SkBuffContext::new(context.cast());
    let Some(sock) = full_socket(context) else {
        return NONE;
    };
    // SAFETY: a full socket's fields.
    let (kind, protocol) = unsafe { ((*sock).type_, (*sock).protocol) };
    if kind == SOCK_STREAM && protocol == u32::from(PROTOCOL_TCP) {
        return NONE;
    }
    // What arrives at a socket has come out of it. A raw socket may well send such a packet itself.
    let may_carry = way == Way::Out && kind != SOCK_RAW;
    let mut form = PLAIN;
    let packet = match near(context, way) {
        Some(packet) if !(may_carry && packet.carries_another()) => packet,
        _ => {
            form = ROUTED;
            let mut packet = Packet::default();
            if look_further(context.as_ptr(), way, may_carry, &mut packet) == 0 {
                return NONE;
            }
            packet
        }
    };
    let Some(mut class) = class(context, kind, &packet) else {
        return NONE;
    };
    // SAFETY: a full socket's field, in the machine's byte order.
    let own_port = unsafe { (*sock).src_port };
    let is_wrapped =
        class.0 == PROTOCOL_RAW || (class.1.0 == ESP_IN_UDP && own_port != u32::from(ESP_IN_UDP));
    if may_carry && is_wrapped && protocol == u32::from(PROTOCOL_UDP) {
        // Encrypted, as a rule.
        class = (PROTOCOL_UDP, (0, 0), u64::MAX);
        form = HIDDEN;
    }
    *into = datagram(context, way, &packet, class, address_of(sock));
    forget(into);
    if socket::has_associations(kind, protocol) {
        into.flow.socket = socket::identity_of_associations(into.flow.socket, into.sock);
        if class.0 == PROTOCOL_SCTP {
            let _ = handed::follow(into, handed::begins(context, &packet));
        }
    }
    form
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
    // SAFETY: the helper takes the context as it came.
    let cookie = unsafe { bpf_get_socket_cookie(context.skb.skb.cast()) };
    Datagram {
        flow: FlowKey {
            socket: cookie,
            address: packet.remote,
            port: remote,
            protocol,
            padding: 0,
            interface: interface(context, &packet.remote),
        },
        local_port: local,
        bytes: payload(context, packet, header),
        sock,
        // To the program it is the context, which is the packet.
        packet: context.skb.skb as u64,
        led: 0,
    }
}

/// The index of the interface over which it passes, where the remote's address needs that; else of the one that its socket is bound to.
#[inline(always)]
fn interface(context: &SkBuffContext, remote: &Address) -> u32 {
    // SAFETY: fields of the context, and of its socket, which the kernel translates.
    unsafe {
        if remote.has_scope() {
            return (*context.skb.skb).ifindex;
        }
        let sock = (*context.skb.skb).__bindgen_anon_2.sk;
        // Where the kernel side does not know it of a socket elsewhere, it is no part of the key.
        if sock.is_null() || !is_known(&SOCK_INTERFACE) {
            0
        } else {
            (*sock).bound_dev_if
        }
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
