//! A TCP `connect(2)` that never sends a SYN: no route, no address, or somebody forbade it.
//!
//! Such a call never gets to `SYN_SENT`. It is written down when it begins and struck off at `SYN_SENT`; what is left has
//! failed before.

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_retval},
    macros::{cgroup_sock_addr, kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext, SockAddrContext},
};
use tracer_common::{
    Address, Attempt, DestinationKey,
    map::{DIRECTION_OUT, PROTOCOL_TCP, counter},
    outcome,
};

use crate::{
    address::name_of,
    clock::now,
    counts::{add, add_one, find_or_make, key, tally},
    maps::ATTEMPTS,
    memory::{address_of, read},
    offsets::{SOCK_PROTOCOL, SOCKET_SOCK, SOCKET_STATE},
    process,
};

/// The answer of a program that only looks: the call goes on.
const PASS: i32 = 1;
/// `enum socket_state` (include/uapi/linux/net.h): neither connected nor trying to.
const UNCONNECTED: u32 = 1;
// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u32 = 1;
/// `BPF_ANY`: insert or replace.
const ANY: u64 = 0;

/// `BPF_CGROUP_INET4_CONNECT`, since 4.17; what others said of the call before, since 5.18.
#[cgroup_sock_addr(connect4)]
pub fn connect4(context: SockAddrContext) -> i32 {
    // SAFETY: a field of the context, in network byte order.
    let address = Address::mapped(unsafe { (*context.sock_addr).user_ip4 });
    begin_at_cgroup(&context, address);
    PASS
}

/// `BPF_CGROUP_INET6_CONNECT`; as above.
#[cgroup_sock_addr(connect6)]
pub fn connect6(context: SockAddrContext) -> i32 {
    // The kernel admits reads of the context only at fixed places, word by word.
    // SAFETY: fields of the context, in network byte order.
    let word = |at: usize| unsafe {
        let call = context.sock_addr;
        core::ptr::read_volatile((&raw const (*call).user_ip6).cast::<u32>().add(at))
    };
    let words = [word(0), word(1), word(2), word(3)];
    begin_at_cgroup(&context, Address::of_words(words));
    PASS
}

/// `int inet_stream_connect(struct socket *sock, struct sockaddr *uaddr, int addr_len, int flags)`, in `struct proto_ops`
/// since ever; the address is in kernel memory.
#[kprobe]
pub fn connect_begins(context: ProbeContext) -> u32 {
    let (Some(socket), Some(name)) = (context.arg::<u64>(0), context.arg(1)) else {
        return 0;
    };
    let sock: u64 = read(socket, &SOCKET_SOCK);
    // One that tries already is asked how it went.
    if read::<u32>(socket, &SOCKET_STATE) != UNCONNECTED
        || read::<u16>(sock, &SOCK_PROTOCOL) != u16::from(PROTOCOL_TCP)
    {
        return 0;
    }
    if let Some(remote) = name_of(name) {
        note(key(
            process::current(&context, sock),
            remote,
            PROTOCOL_TCP,
            DIRECTION_OUT,
        ));
    }
    0
}

/// The same returns 0 or a negative error.
#[kretprobe]
pub fn connect_ends(context: RetProbeContext) -> u32 {
    if let Some(attempt) = strike_off()
        && let Some(reason) = outcome::of_errno(context.ret::<i32>().wrapping_neg())
    {
        count(attempt.destination, reason);
    }
    0
}

/// The thread's call has sent its SYN, or is to. Returns what was written down of it.
#[inline(always)]
pub fn strike_off() -> Option<Attempt> {
    let thread = bpf_get_current_pid_tgid();
    let attempt = ATTEMPTS.get_ptr(&thread)?;
    // SAFETY: a live map value, copied before it is removed; user space removes it only when it is seconds old.
    let attempt = unsafe { *attempt };
    ATTEMPTS.remove(&thread).is_ok().then_some(attempt)
}

#[inline(always)]
fn begin_at_cgroup(context: &SockAddrContext, address: Address) {
    // SAFETY: fields of the context.
    let (kind, protocol, port, sock) = unsafe {
        let call = context.sock_addr;
        let sock = (*call).__bindgen_anon_1.sk;
        ((*call).type_, (*call).protocol, (*call).user_port, sock)
    };
    if kind != SOCK_STREAM || protocol != u32::from(PROTOCOL_TCP) {
        return;
    }
    // What the thread began before and is still here has failed.
    if let Some(attempt) = strike_off() {
        count(attempt.destination, outcome::UNREACHABLE);
    }
    let remote = (address, u16::from_be(port as u16));
    let sock = address_of(sock);
    let destination = key(
        process::current_by_task(context, sock),
        remote,
        PROTOCOL_TCP,
        DIRECTION_OUT,
    );
    // SAFETY: the helper reads what the programs before this one have answered.
    if unsafe { bpf_get_retval() } < 0 {
        count(destination, outcome::DENIED);
    } else {
        note(destination);
    }
}

#[inline(always)]
fn note(destination: DestinationKey) {
    let attempt = Attempt {
        destination,
        began_ns: now(),
    };
    if ATTEMPTS
        .insert(&bpf_get_current_pid_tgid(), &attempt, ANY)
        .is_err()
    {
        tally(counter::CALLS_FULL);
    }
}

#[inline(always)]
fn count(mut destination: DestinationKey, reason: usize) {
    let Some(counts) = find_or_make(&mut destination) else {
        return;
    };
    // SAFETY: fields of a live map value; no reference is made. `reason` is one of the list.
    unsafe {
        add(&raw mut (*counts).connections, 1);
        add_one((&raw mut (*counts).failed).cast::<u32>().add(reason));
        add_one(&raw mut (*counts).ended);
    }
}
