//! Whose a socket of datagrams is before anything has passed over it, and when it is closed.
//!
//! `socket(2)` and `bind(2)` run in the caller's own context; a datagram arrives in softirq.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_socket_cookie, macros::cgroup_sock,
    programs::SockContext,
};
use tracer_common::map::{PROTOCOL_ICMP, PROTOCOL_SCTP};

use super::{asked, fast_path, packet::ICMPV6};
use crate::{
    counts::ANY,
    maps::{CLOSED, SOCKETS},
    memory::address_of,
    process, socket,
};

// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u32 = 1;
const SOCK_RAW: u32 = 3;

/// Protocols whose sockets no hook tells of a bind, or of a call that names a remote: SCTP's, and those of ping (`SOCK_DGRAM`).
const WITHOUT_CALLS: [u32; 3] = [PROTOCOL_ICMP as u32, ICMPV6 as u32, PROTOCOL_SCTP as u32];

/// The answer of a program that only looks: the call goes on.
const PASS: i32 = 1;

/// `BPF_CGROUP_INET4_POST_BIND`, since 4.17.
#[cgroup_sock(post_bind4)]
pub fn socket_bound4(context: SockContext) -> i32 {
    bound(&context);
    PASS
}

/// `BPF_CGROUP_INET6_POST_BIND`, since 4.17.
#[cgroup_sock(post_bind6)]
pub fn socket_bound6(context: SockContext) -> i32 {
    bound(&context);
    PASS
}

/// `BPF_CGROUP_INET_SOCK_CREATE`, since 4.10: a raw socket receives from then on, bound or not. Of others nothing else tells whose they
/// are ([`WITHOUT_CALLS`]).
#[cgroup_sock(sock_create)]
pub fn socket_made(context: SockContext) -> i32 {
    // SAFETY: fields of the context.
    let (kind, protocol) = unsafe { ((*context.sock).type_, (*context.sock).protocol) };
    if kind == SOCK_RAW || WITHOUT_CALLS.contains(&protocol) {
        own(&context);
    }
    PASS
}

/// `BPF_CGROUP_INET_SOCK_RELEASE`, since 5.9.
#[cgroup_sock(sock_release)]
pub fn socket_closed(context: SockContext) -> i32 {
    // SAFETY: fields of the context.
    let (kind, protocol) = unsafe { ((*context.sock).type_, (*context.sock).protocol) };
    // Of TCP and of local services nothing is written down; a socket of SCTP is, whatever its type is.
    if kind != SOCK_STREAM || protocol == u32::from(PROTOCOL_SCTP) {
        let (sock, cookie) = (address_of(context.sock), identity(&context));
        if let Some(owner) = socket::known_owner(cookie)
            && socket::may_have_more_to_send(sock)
        {
            let _ = CLOSED.insert(&cookie, &owner, ANY);
        }
        // Most were never written down.
        let _ = SOCKETS.remove(&cookie);
        asked::forget(cookie);
        // Behind it: who gives a slot away looks there last.
        fast_path::close(sock);
    }
    PASS
}

/// Of local services and of TCP nothing is written down.
#[inline(always)]
fn bound(context: &SockContext) {
    // SAFETY: a field of the context.
    let is_stream = unsafe { (*context.sock).type_ } == SOCK_STREAM;
    // The kernel's own are bound here too, and their end is not told.
    if !is_stream && !socket::is_kernels(address_of(context.sock)) {
        own(context);
    }
}

#[inline(always)]
fn own(context: &SockContext) {
    let (sock, cookie) = (address_of(context.sock), identity(context));
    socket::own(cookie, cookie, process::current_by_task(sock));
}

#[inline(always)]
fn identity(context: &SockContext) -> u64 {
    // SAFETY: fields of the context, and a helper that takes the context as it came.
    let (kind, protocol, cookie) = unsafe {
        (
            (*context.sock).type_,
            (*context.sock).protocol,
            bpf_get_socket_cookie(context.as_ptr()),
        )
    };
    if socket::has_associations(kind, protocol) {
        socket::identity_of_associations(cookie, address_of(context.sock))
    } else {
        cookie
    }
}
