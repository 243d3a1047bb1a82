//! Whom a UDP socket's calls name, where the packet may say something else: behind local address translation (REDIRECT, DNAT, a
//! resolver in the machine itself), under a source route, or inside another packet (SRv6, IPsec by policy).
//!
//! A call that names a remote (`sendto(2)`) is noted for its socket; one that names none is for whom the socket is connected to.
//! What is not certain is not guessed: then a datagram counts as the packet says.

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_sock,
    helpers::generated::{bpf_get_current_task, bpf_get_socket_cookie},
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use tracer_common::{Address, Call, FlowKey, Translation, map::counter};

use super::{
    attempt::{named4, named6},
    fast_path,
};
use crate::{
    address::AF_INET6,
    counts::{ANY, tally},
    maps::{CALLS, CLOSED, TRANSLATIONS},
    memory::address_of,
    process, socket,
};

/// The answer of a program that only looks: the call goes on.
const PASS: i32 = 1;
/// `TCP_ESTABLISHED` (include/net/tcp_states.h): of a UDP socket, that it is connected.
const CONNECTED: u32 = 1;

/// `BPF_CGROUP_UDP4_SENDMSG`, since 4.18: a call that names its remote, and begins a datagram.
#[cgroup_sock_addr(sendmsg4)]
pub fn call4(context: SockAddrContext) -> i32 {
    note(&context, named4(&context));
    PASS
}

/// `BPF_CGROUP_UDP6_SENDMSG`, as above. A v4-mapped address is the other one's.
#[cgroup_sock_addr(sendmsg6)]
pub fn call6(context: SockAddrContext) -> i32 {
    note(&context, named6(&context));
    PASS
}

#[inline(always)]
fn note(context: &SockAddrContext, address: Address) {
    // SAFETY: a field of the context.
    let port = unsafe { (*context.sock_addr).user_port } as u16;
    // A call that names nobody and has a control message comes here too. Nothing that is led elsewhere is on the
    // fast path.
    let names_nobody = port == 0 && address.is_any();
    if names_nobody || fast_path::has(context, &address, port) {
        return;
    }
    // SAFETY: helpers that read the current task, and one that takes the context as it came.
    let (thread, cookie) = unsafe {
        (
            bpf_get_current_task(),
            bpf_get_socket_cookie(context.as_ptr()),
        )
    };
    let mut call = Call {
        address,
        thread,
        port: u16::from_be(port),
        several: 0,
        padding: 0,
    };
    if let Some(before) = CALLS.get_ptr(&cookie) {
        // SAFETY: a live map value; another thread may replace it, and does not change it.
        let before = unsafe { &*before };
        let is_same = before.address == address && before.port == call.port;
        if is_same && before.thread == thread {
            return;
        }
        call.several = if is_same { before.several } else { 1 };
    } else {
        // SAFETY: a field of the context.
        let sock = address_of(unsafe { (*context.sock_addr).__bindgen_anon_1.sk });
        if socket::is_kernels(sock) {
            return;
        }
        socket::own(cookie, cookie, process::current_by_task(sock));
    }
    // As a whole: whoever reads it meanwhile has the one or the other.
    if CALLS.insert(&cookie, &call, ANY).is_err() {
        tally(counter::CALLS_FULL);
    }
}

/// Forgets the calls of a socket: it is closed, or connected, and names its remote no more.
#[inline(always)]
pub fn forget(cookie: u64) {
    // Most named none.
    let _ = CALLS.remove(&cookie);
}

/// Whose a socket was that is closed, where that is known.
#[inline(always)]
pub fn owner_of_closed(cookie: u64) -> Option<u64> {
    // SAFETY: a live map value.
    CLOSED.get_ptr(&cookie).map(|owner| unsafe { *owner })
}

/// Whether the running thread is the one that called last.
#[inline(always)]
pub fn is_callers(cookie: u64) -> bool {
    // SAFETY: a live map value, and a helper that reads the current task.
    CALLS
        .get_ptr(&cookie)
        .is_some_and(|call| unsafe { (*call).thread == bpf_get_current_task() })
}

/// Whom the call named whose datagram leaves over the full socket `sock`, `None` where it may be whom the packet names.
#[inline(always)]
pub fn asked(cookie: u64, sock: *const bpf_sock) -> Option<(Address, u16)> {
    // SAFETY: a live map value.
    let call = CALLS.get_ptr(&cookie).map(|call| unsafe { &*call });
    let connected = connected(sock);
    match (connected, call) {
        (Some(connected), None) => Some(connected),
        (None, Some(call)) => {
            // SAFETY: a helper that reads the current task.
            let is_callers = call.thread == unsafe { bpf_get_current_task() };
            let is_certain = call.several == 0 || is_callers;
            // Of no host's address the kernel makes one of its own.
            (is_certain && !call.address.is_any()).then_some((call.address, call.port))
        }
        (Some((address, port)), Some(call)) => {
            // Else it may be either's.
            (address == call.address && port == call.port).then_some((address, port))
        }
        (None, None) => None,
    }
}

/// Whom a full socket is connected to.
#[inline(always)]
fn connected(sock: *const bpf_sock) -> Option<(Address, u16)> {
    // SAFETY: fields of a full socket, in network byte order.
    unsafe {
        if (*sock).state != CONNECTED {
            return None;
        }
        let address = if (*sock).family == u32::from(AF_INET6) {
            // The kernel admits reads of the context only at fixed places, word by word.
            let word = |at: usize| {
                core::ptr::read_volatile((&raw const (*sock).dst_ip6).cast::<u32>().add(at))
            };
            Address::of_words([word(0), word(1), word(2), word(3)])
        } else {
            Address::mapped((*sock).dst_ip4)
        };
        Some((address, u16::from_be((*sock).dst_port)))
    }
}

/// What was sent to the remote of `asked` left to that of `packet`.
#[inline(always)]
pub fn translated(asked: &FlowKey, packet: &FlowKey) {
    let to = Translation {
        address: packet.address,
        port: packet.port,
        padding: 0,
        more_padding: 0,
    };
    // SAFETY: a live map value.
    let is_known = TRANSLATIONS
        .get_ptr(asked)
        .is_some_and(|known| unsafe { (*known).address == to.address && (*known).port == to.port });
    if !is_known && TRANSLATIONS.insert(asked, &to, ANY).is_ok() {
        tally(counter::TRANSLATIONS);
    }
}
