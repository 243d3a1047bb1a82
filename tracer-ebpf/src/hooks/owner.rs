//! Whose a socket of datagrams is before anything has passed over it, and when it is closed.
//!
//! `socket(2)` and `bind(2)` run in the caller's own context; a datagram arrives in softirq.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_socket_cookie, macros::cgroup_sock,
    programs::SockContext,
};
use tracer_common::map::PROTOCOL_SCTP;

use super::fast_path;
use crate::{maps::SOCKETS, memory::address_of, process, socket};

// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u32 = 1;
const SOCK_RAW: u32 = 3;

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

/// `BPF_CGROUP_INET_SOCK_CREATE`, since 4.10: a raw socket receives from then on, bound or not. SCTP binds its sockets itself, and
/// runs no hook for it.
#[cgroup_sock(sock_create)]
pub fn socket_made(context: SockContext) -> i32 {
    // SAFETY: fields of the context.
    let (kind, protocol) = unsafe { ((*context.sock).type_, (*context.sock).protocol) };
    if kind == SOCK_RAW || protocol == u32::from(PROTOCOL_SCTP) {
        own(&context);
    }
    PASS
}

/// `BPF_CGROUP_INET_SOCK_RELEASE`, since 5.9.
#[cgroup_sock(sock_release)]
pub fn socket_closed(context: SockContext) -> i32 {
    // SAFETY: fields of the context, and a helper that takes it as it came.
    let (kind, protocol, cookie) = unsafe {
        (
            (*context.sock).type_,
            (*context.sock).protocol,
            bpf_get_socket_cookie(context.as_ptr()),
        )
    };
    // Of TCP and of local services nothing is written down; a socket of SCTP is, whatever its type is.
    if kind != SOCK_STREAM || protocol == u32::from(PROTOCOL_SCTP) {
        // Most were never written down.
        let _ = SOCKETS.remove(&cookie);
        // Behind it: who gives a slot away looks there last.
        fast_path::close(address_of(context.sock));
    }
    PASS
}

/// Of local services and of TCP nothing is written down.
#[inline(always)]
fn bound(context: &SockContext) {
    // SAFETY: a field of the context.
    if unsafe { (*context.sock).type_ } != SOCK_STREAM {
        own(context);
    }
}

#[inline(always)]
fn own(context: &SockContext) {
    // SAFETY: a helper that takes the context as it came.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    let sock = address_of(context.sock);
    socket::own(cookie, cookie, process::current_by_task(context, sock));
}
