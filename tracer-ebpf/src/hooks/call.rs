//! Datagrams as calls, where the kernel has kprobes: what programs hand over, and what is queued for them.
//!
//! On Android the control groups' hooks are the system's own; functions can be watched beside it. The functions are those
//! whose address is in a table of the kernel, or which other parts of it call, so that no compiler has inlined them.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use tracer_common::{
    Address, DestinationKey, FlowKey, Sending,
    map::{PROTOCOL_ICMP, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_UDP, counter},
};

use super::{
    flow::{Datagram, arrive, fail_to_leave, leave, sent},
    said::{datagram_said, datagram_told},
};
use crate::{
    address::{self, AF_INET, AF_INET6, name_of, remote, scope_of},
    counts::{ANY, NOT_THERE, tally},
    maps::{SENDING, SOCKETS},
    memory::{address_of, read, read_at},
    offsets::{
        HEADER_INCLUDED, INET_FLAGS, MESSAGE_NAME, PACKET_CONTROL, PACKET_DATA, PACKET_HEAD,
        PACKET_LENGTH, PACKET_NETWORK, PACKET_TRANSPORT, SOCK_COOKIE, SOCK_LOCAL_PORT,
        SOCK_PROTOCOL, SOCK_TYPE, SOCKET_SOCK, is_known,
    },
    process, registers, socket,
};

// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u16 = 1;
const SOCK_RAW: u16 = 3;
const IPPROTO_ICMP: u16 = 1;
const IPPROTO_ICMPV6: u16 = 58;

/// `int udp_sendmsg(struct sock *sk, struct msghdr *msg, size_t len)`, in `struct proto` since ever, and the functions of
/// the same form of IPv6, of ping sockets and of raw ones.
#[kprobe]
pub fn datagram_out(context: ProbeContext) -> u32 {
    if let (Some(sock), Some(message)) = (context.arg(0), context.arg(1)) {
        send(&context, sock, message);
    }
    0
}

/// The same functions return the bytes that were taken, or a negative error.
///
/// The kernel follows a limited number of calls to their return at a time: 512 where tracefs can be written to, else as many as it has
/// processors before 6.2, unless it is preemptible, and ten or two for each processor since. Calls that wait for room in the socket's
/// buffer are under way for long.
#[kretprobe]
pub fn datagram_sent(context: RetProbeContext) -> u32 {
    end(context.ret());
    0
}

/// `udp_sendmsg` again, without such a limit: since 5.5, with BTF, where the processor's port has trampolines (x86-64; arm64 since 6.4).
/// It is skipped where a preempted task is in the middle of it. Of the two whichever comes second finds nothing to do.
#[fexit(function = "udp_sendmsg")]
pub fn datagram_sent4(context: FExitContext) -> i32 {
    // Behind the three arguments.
    end(context.arg(3));
    0
}

/// `int udpv6_sendmsg(struct sock *sk, struct msghdr *msg, size_t len)`, as [`datagram_sent4`].
#[fexit(function = "udpv6_sendmsg")]
pub fn datagram_sent6(context: FExitContext) -> i32 {
    end(context.arg(3));
    0
}

/// The running thread's call has returned `result`.
#[inline(always)]
fn end(result: i32) {
    let thread = bpf_get_current_pid_tgid();
    let Some(sending) = SENDING.get_ptr(&thread) else {
        return;
    };
    // SAFETY: a live map value, copied before it is removed; only this thread removes it.
    let sending = unsafe { *sending };
    let _ = SENDING.remove(&thread);
    if result < 0 {
        fail_to_leave(&sending.flow, result);
    } else {
        let bytes = u64::from(result.cast_unsigned());
        sent(&sending, bytes.saturating_sub(sending.headers));
    }
}

/// `int __udp_enqueue_schedule_skb(struct sock *sk, struct sk_buff *skb)`, since 4.10: a datagram is to be queued, its UDP
/// header gone.
#[kprobe]
pub fn datagram_in(context: ProbeContext) -> u32 {
    if let (Some(sock), Some(packet)) = (context.arg(0), context.arg(1)) {
        receive(sock, packet, PROTOCOL_UDP);
    }
    0
}

/// `__udp_enqueue_schedule_skb` again, in place of [`datagram_in`] where there is such a hook, as for [`datagram_sent4`].
///
/// The kernel skips a kprobe's program for what softirq brings in the middle of any other of them, or of a system call that reads a
/// map. This one would be skipped only in the middle of itself, where softirq does not come.
#[fentry(function = "__udp_enqueue_schedule_skb")]
pub fn datagram_queued(context: FEntryContext) -> i32 {
    let (sock, packet): (*const c_void, *const c_void) = (context.arg(0), context.arg(1));
    receive(address_of(sock), address_of(packet), PROTOCOL_UDP);
    0
}

/// `int sock_queue_rcv_skb_reason(struct sock *sk, struct sk_buff *skb, …)`, since 5.18: a packet is to be queued for a
/// raw or a ping socket, among others.
#[kprobe]
pub fn raw_in(context: ProbeContext) -> u32 {
    let (Some(sock), Some(packet)) = (context.arg::<u64>(0), context.arg(1)) else {
        return 0;
    };
    if let Some(class) = class(sock) {
        receive(sock, packet, class);
    }
    0
}

/// `int inet_bind(struct socket *sock, …)` and `int inet6_bind(…)`, `int inet_dgram_connect(struct socket *sock, …)`, in
/// `struct proto_ops` since ever: the caller has the socket.
#[kprobe]
pub fn socket_taken(context: ProbeContext) -> u32 {
    let Some(socket) = context.arg::<u64>(0) else {
        return 0;
    };
    let sock: u64 = read(socket, &SOCKET_SOCK);
    if read::<u16>(sock, &SOCK_TYPE) != SOCK_STREAM
        || read::<u16>(sock, &SOCK_PROTOCOL) == u16::from(PROTOCOL_SCTP)
    {
        take(sock);
    }
    0
}

/// `int raw_sk_init(struct sock *sk)`, since 6.0, `raw_init` before; in `struct proto` since ever: a raw socket is made, and
/// receives from then on, bound or not.
///
/// The kernel's own are taken for those of who made their network namespace; nothing is counted for them.
#[kprobe]
pub fn raw_made(context: ProbeContext) -> u32 {
    if let Some(sock) = context.arg(0) {
        take(sock);
    }
    0
}

/// `int rawv6_init_sk(struct sock *sk)`, as [`raw_made`].
#[kprobe]
pub fn raw6_made(context: ProbeContext) -> u32 {
    if let Some(sock) = context.arg(0) {
        take(sock);
    }
    0
}

/// It is the running program's, unless somebody has it.
#[inline(always)]
fn take(sock: u64) {
    let identity = socket::identify(sock);
    socket::own(sock, identity, process::current(sock));
}

/// `void sk_common_release(struct sock *sk)`, since 2.6: a socket of datagrams is closed.
#[kprobe]
pub fn socket_released(context: ProbeContext) -> u32 {
    if let Some(sock) = context.arg::<u64>(0) {
        // Most were never written down.
        let _ = SOCKETS.remove(&sock);
        // User space wrote those from before the tracer down by their cookie, which no address is like.
        let cookie: u64 = read(sock, &SOCK_COOKIE);
        if cookie != 0 {
            let _ = SOCKETS.remove(&cookie);
        }
    }
    0
}

/// Opens the flow now, since on loopback an answer can come before the call returns; the bytes are counted then.
#[inline(always)]
fn send(context: &ProbeContext, sock: u64, message: u64) {
    let Some(protocol) = class(sock) else {
        return;
    };
    let name: u64 = read(message, &MESSAGE_NAME);
    let Some((address, port)) = (if name == 0 {
        Some(remote(sock))
    } else {
        name_of(name)
    }) else {
        return;
    };
    if name == 0 && address.is_any() {
        // It names nobody, and the socket is connected to nobody: the kernel refuses it.
        return;
    }
    let address = address::of_this_host(sock, address);
    let flow = FlowKey {
        socket: socket::identify(sock),
        address,
        port: if protocol == PROTOCOL_UDP { port } else { 0 },
        protocol,
        padding: 0,
        interface: interface(&address, sock, || scope_of(name)),
    };
    let writes_header = read::<u16>(sock, &SOCK_TYPE) == SOCK_RAW
        && read::<u32>(sock, &INET_FLAGS) & HEADER_INCLUDED.load() != 0;
    // Without options, which such a program may write as well.
    let headers = match writes_header {
        false => 0,
        true if address.is_mapped() => 20,
        true => 40,
    };
    let datagram = Datagram {
        flow,
        local_port: 0,
        bytes: 0,
        sock,
        packet: 0,
        led: 0,
    };
    let destination = leave(&datagram, sock, || {
        (!socket::is_kernels(sock)).then(|| process::current_in_place(sock))
    });
    let Some(destination) = destination else {
        return;
    };
    // SAFETY: a probe's registers.
    let function = unsafe { registers::next(context.regs) };
    let _ = note(&flow, &destination, headers, function);
    let _ = datagram_said(&flow, message);
}

/// Notes the call, for its return. A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
fn note(flow: &FlowKey, destination: &DestinationKey, headers: u64, function: u64) -> u32 {
    let sending = Sending {
        flow: *flow,
        destination: *destination,
        headers,
        function,
    };
    let thread = bpf_get_current_pid_tgid();
    if SENDING.insert(&thread, &sending, NOT_THERE).is_ok() {
        return 0;
    }
    if let Some(before) = SENDING.get_ptr(&thread) {
        // SAFETY: fields of a live map value, which only this thread changes.
        let before = unsafe { ((*before).flow.socket, (*before).function) };
        // `udpv6_sendmsg` calls `udp_sendmsg` for a mapped address: what is noted of the one is true of both.
        if before.0 == flow.socket && before.1 != function {
            return 0;
        }
        // The one before is no call that this one is in, so it has returned.
        tally(counter::RETURNS_MISSED);
    }
    if SENDING.insert(&thread, &sending, ANY).is_err() {
        tally(counter::CALLS_FULL);
    }
    0
}

/// The index of the interface that the socket is bound to, or over which the remote is, where its address needs that: `other` says it
/// where the socket is bound to none. Nobody knows where either way is unknown.
#[inline(always)]
fn interface(remote: &Address, sock: u64, other: impl FnOnce() -> u32) -> u32 {
    if !is_known(&PACKET_CONTROL) {
        return 0;
    }
    match address::interface(sock) {
        0 if remote.has_scope() => other(),
        bound => bound,
    }
}

/// Under which protocol what passes over a socket is counted; `None` where it is none of datagrams.
#[inline(always)]
fn class(sock: u64) -> Option<u8> {
    let protocol: u16 = read(sock, &SOCK_PROTOCOL);
    let kind: u16 = read(sock, &SOCK_TYPE);
    if !matches!(read(sock, &crate::offsets::SOCK_FAMILY), AF_INET | AF_INET6) {
        return None;
    }
    match protocol {
        IPPROTO_ICMP | IPPROTO_ICMPV6 => Some(PROTOCOL_ICMP),
        _ if kind == SOCK_RAW => Some(PROTOCOL_RAW),
        _ if kind == SOCK_STREAM => None,
        _ => Some(PROTOCOL_UDP),
    }
}

#[inline(always)]
fn receive(sock: u64, packet: u64, protocol: u8) {
    let head: u64 = read(packet, &PACKET_HEAD);
    let network = head + u64::from(read::<u16>(packet, &PACKET_NETWORK));
    let transport = head + u64::from(read::<u16>(packet, &PACKET_TRANSPORT));
    let length = u64::from(read::<u32>(packet, &PACKET_LENGTH));
    let address = match read_at::<u8>(network) >> 4 {
        4 => Address::mapped(read_at(network + 12)),
        6 => read_at(network + 8),
        _ => return,
    };
    let (port, local_port, bytes) = if protocol == PROTOCOL_UDP {
        let port = u16::from_be(read_at(transport));
        (port, read(sock, &SOCK_LOCAL_PORT), length)
    } else {
        // Some begin at the IP header, some behind it.
        let data: u64 = read(packet, &PACKET_DATA);
        (0, 0, (data + length).saturating_sub(transport))
    };
    let datagram = Datagram {
        flow: FlowKey {
            socket: socket::identify(sock),
            address,
            port,
            protocol,
            padding: 0,
            interface: interface(&address, sock, || {
                // The first of what IPv6 notes there (`struct inet6_skb_parm`) is the interface that it came over.
                read(packet, &PACKET_CONTROL)
            }),
        },
        local_port,
        bytes,
        sock,
        packet: 0,
        led: 0,
    };
    arrive(&datagram, sock, || socket::is_kernels(sock));
    datagram_told(&datagram, packet);
}
