//! A TCP `connect(2)`, noted when it begins and struck off at `SYN_SENT`.
//!
//! What is left then has failed before a SYN (no route, no address, or somebody forbade it), or the kernel has run no program for
//! its `SYN_SENT`. Which of the two, the socket says: at the call's return, at its next change of state, or at its end.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_retval, bpf_get_socket_cookie},
    },
    macros::{cgroup_sock_addr, kprobe, kretprobe, raw_tracepoint},
    programs::{ProbeContext, RawTracePointContext, RetProbeContext, SockAddrContext},
};
use tracer_common::{
    Address, Attempt, DestinationKey, Record,
    map::{CONNECTION_LATE, DIRECTION_OUT, PROTOCOL_TCP, counter},
    outcome,
    record::{UNKNOWN, failed},
};

use super::{
    asked,
    tcp_begin::{connection, take_up},
    tcp_close::record,
};
use crate::{
    address::{name_of, none, remote},
    clock::{now, zero},
    counts::{ANY, key, open, tally},
    emit::emit,
    maps::{ATTEMPTS, CONNECTIONS},
    memory::{address_of, read},
    offsets::{
        BY_ADDRESS, SOCK_ERROR, SOCK_PROTOCOL, SOCK_STATE, SOCKET_SOCK, SOCKET_STATE,
        TCP_SEGMENTS_OUT, TELLS_ANSWERS,
    },
    process, socket,
};

/// The answer of a program that only looks: the call goes on.
const PASS: i32 = 1;
/// `enum socket_state` (include/uapi/linux/net.h): neither connected nor trying to.
const UNCONNECTED: u32 = 1;
// include/linux/net.h, `enum sock_type`.
const SOCK_STREAM: u32 = 1;
// include/net/tcp_states.h
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
pub const CLOSE: u8 = 7;

/// `BPF_CGROUP_INET4_CONNECT`, since 4.17; what others said of the call before, since 5.18.
#[cgroup_sock_addr(connect4)]
pub fn connect4(context: SockAddrContext) -> i32 {
    begin_at_cgroup(&context, named4(&context));
    PASS
}

/// `BPF_CGROUP_INET6_CONNECT`; as above.
#[cgroup_sock_addr(connect6)]
pub fn connect6(context: SockAddrContext) -> i32 {
    begin_at_cgroup(&context, named6(&context));
    PASS
}

/// The address of IPv4 that a call names.
#[inline(always)]
pub fn named4(context: &SockAddrContext) -> Address {
    // SAFETY: a field of the context, in network byte order.
    Address::mapped(unsafe { (*context.sock_addr).user_ip4 })
}

/// That of IPv6.
#[inline(always)]
pub fn named6(context: &SockAddrContext) -> Address {
    // The kernel admits reads of the context only at fixed places, word by word.
    // SAFETY: fields of the context, in network byte order.
    let word = |at: usize| unsafe {
        let call = context.sock_addr;
        core::ptr::read_volatile((&raw const (*call).user_ip6).cast::<u32>().add(at))
    };
    Address::of_words([word(0), word(1), word(2), word(3)])
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
        note(
            sock,
            key(process::current(sock), remote, PROTOCOL_TCP, DIRECTION_OUT),
        );
    }
    0
}

/// The same returns 0 or a negative error.
#[kretprobe]
pub fn connect_ends(context: RetProbeContext) -> u32 {
    let thread = bpf_get_current_pid_tgid();
    let Some(attempt) = ATTEMPTS.get_ptr(&thread) else {
        return 0;
    };
    // SAFETY: a live map value.
    let state: u8 = read(unsafe { (*attempt).sock }, &SOCK_STATE);
    if state != CLOSE {
        return adopt(thread, state);
    }
    match outcome::of_errno(context.ret::<i32>().wrapping_neg()) {
        Some(reason) => fail_noted(thread, failed(reason)),
        // It was established, and is over already.
        None => end(thread, true),
    }
}

/// The key in the map of what the running thread does with the socket at `sock`.
#[inline(always)]
fn key_of(sock: u64) -> u64 {
    if BY_ADDRESS.load() == 0 {
        sock
    } else {
        bpf_get_current_pid_tgid()
    }
}

/// The call that connects the socket at `sock` has sent its SYN, or is to. Returns the program that made it, where it was noted.
#[inline(always)]
pub fn strike_off(sock: u64) -> Option<u64> {
    let key = key_of(sock);
    let attempt = ATTEMPTS.get_ptr(&key)?;
    // SAFETY: a live map value; another socket's is left.
    let (noted, process) = unsafe { ((*attempt).sock, (*attempt).destination.process) };
    (noted == sock && ATTEMPTS.remove(&key).is_ok()).then_some(process)
}

/// The handshake of the socket at `sock`, of which no connection is known, is complete.
#[inline(always)]
pub fn establish(sock: u64) -> u32 {
    let key = key_of(sock);
    let Some(attempt) = ATTEMPTS.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: a live map value. Where the key is a thread, it may be a stranger's: this runs in softirq.
    if unsafe { (*attempt).sock } != sock {
        return 0;
    }
    adopt(key, ESTABLISHED)
}

/// The socket at `sock`, of which no connection is known, is closed or destroyed. Returns 0 where no call of it is noted.
#[inline(never)]
#[unsafe(export_name = "attempt_close")]
pub extern "C" fn close(sock: u64, after_handshake: bool) -> u32 {
    if BY_ADDRESS.load() == 0 {
        end(sock, after_handshake)
    } else {
        0
    }
}

/// Attached to nothing: user space runs it (`BPF_PROG_TEST_RUN`, since 5.10) with a key of `ATTEMPTS` whose call began long ago.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn resolve(context: RawTracePointContext) -> i32 {
    let key: u64 = context.arg(0);
    let _ = match standing(key) {
        0 => fail_noted(key, UNKNOWN),
        state if state == u32::from(CLOSE) => end(key, false),
        state => adopt(key, state as u8),
    };
    0
}

/// In which state the socket of a noted call is; 0 where its memory is another socket's by now, or the connection was led elsewhere.
#[inline(never)]
#[unsafe(export_name = "attempt_standing")]
extern "C" fn standing(key: u64) -> u32 {
    let Some(attempt) = ATTEMPTS.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: a live map value.
    let attempt = unsafe { &*attempt };
    let (sock, place) = (attempt.sock, &attempt.destination);
    let state: u8 = read(sock, &SOCK_STATE);
    if state == CLOSE || remote(sock) == (place.address, place.port) {
        u32::from(state)
    } else {
        0
    }
}

/// The socket of a noted call is connected, or tries: it is followed from now on.
///
/// A function of its own, as are those below: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
#[unsafe(export_name = "attempt_adopt")]
extern "C" fn adopt(key: u64, state: u8) -> u32 {
    let Some(attempt) = ATTEMPTS.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: fields of a live map value, read before it is removed.
    let (sock, process, began_ns) = unsafe {
        let attempt = &*attempt;
        (attempt.sock, attempt.destination.process, attempt.began_ns)
    };
    // Of two that remove it one does.
    if ATTEMPTS.remove(&key).is_err() || CONNECTIONS.get_ptr(&sock).is_some() {
        return 0;
    }
    let established_ns = if state == SYN_SENT { zero() } else { now() };
    take_up(sock, process, began_ns, established_ns, CONNECTION_LATE)
}

/// The socket of a noted call is closed. Where no SYN ever left, nobody could be reached; else it was connected or tried to be,
/// unseen.
#[inline(never)]
#[unsafe(export_name = "attempt_end")]
extern "C" fn end(key: u64, after_handshake: bool) -> u32 {
    let Some(attempt) = ATTEMPTS.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: a live map value.
    let sock = unsafe { (*attempt).sock };
    if after_handshake || read::<u32>(sock, &TCP_SEGMENTS_OUT) != 0 {
        return end_connection(key, after_handshake);
    }
    let reason = outcome::of_errno(read(sock, &SOCK_ERROR)).unwrap_or(outcome::UNREACHABLE);
    fail_noted(key, failed(reason))
}

/// The connection of a noted call, which nobody saw, is over.
#[inline(never)]
#[unsafe(export_name = "attempt_end_connection")]
extern "C" fn end_connection(key: u64, after_handshake: bool) -> u32 {
    let Some(attempt) = ATTEMPTS.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: a live map value, read before it is removed.
    let attempt = unsafe { &*attempt };
    let sock = attempt.sock;
    let connection = connection(
        &attempt.destination,
        attempt.began_ns,
        zero(),
        CONNECTION_LATE,
    );
    if ATTEMPTS.remove(&key).is_ok() {
        open(&connection.destination);
        emit(&record(sock, &connection, after_handshake));
    }
    1
}

/// A noted call never sent a SYN.
#[inline(never)]
#[unsafe(export_name = "attempt_fail_noted")]
extern "C" fn fail_noted(key: u64, outcome: u16) -> u32 {
    let Some(attempt) = ATTEMPTS.get_ptr(&key) else {
        return 0;
    };
    // SAFETY: a live map value, copied before it is removed; of two that remove it one does.
    let attempt = unsafe { *attempt };
    if ATTEMPTS.remove(&key).is_ok() {
        fail(&attempt, outcome);
    }
    1
}

#[inline(always)]
fn begin_at_cgroup(context: &SockAddrContext, address: Address) {
    // SAFETY: fields of the context.
    let (kind, protocol, port, sock) = unsafe {
        let call = context.sock_addr;
        let sock = (*call).__bindgen_anon_1.sk;
        ((*call).type_, (*call).protocol, (*call).user_port, sock)
    };
    let sock = address_of(sock);
    if kind != SOCK_STREAM {
        // As for a bind, the end of the kernel's own is not told.
        if socket::is_kernels(sock) {
            return;
        }
        // Whoever connects a socket of datagrams waits for them, bound or not. SAFETY: the helper takes the context as it came.
        let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
        let owner = process::current_by_task(sock);
        socket::own(cookie, cookie, owner);
        asked::forget(cookie);
        return;
    }
    if protocol != u32::from(PROTOCOL_TCP) {
        return;
    }
    // What was begun on this socket before and is still here has failed: one that tries is not connected again.
    let _ = fail_noted(sock, failed(outcome::UNREACHABLE));
    let remote = (address, u16::from_be(port as u16));
    let destination = key(
        process::current_by_task(sock),
        remote,
        PROTOCOL_TCP,
        DIRECTION_OUT,
    );
    // SAFETY: the helper reads what the programs before this one have answered.
    if TELLS_ANSWERS.load() != 0 && unsafe { bpf_get_retval() } < 0 {
        let attempt = attempt(sock, destination);
        fail(&attempt, failed(outcome::DENIED));
    } else {
        note(sock, destination);
    }
}

#[inline(always)]
fn attempt(sock: u64, destination: DestinationKey) -> Attempt {
    Attempt {
        destination,
        began_ns: now(),
        sock,
    }
}

#[inline(always)]
fn note(sock: u64, destination: DestinationKey) {
    if ATTEMPTS
        .insert(&key_of(sock), &attempt(sock, destination), ANY)
        .is_err()
    {
        tally(counter::CALLS_FULL);
    }
}

/// A contact that never sent a SYN.
#[inline(never)]
fn fail(attempt: &Attempt, outcome: u16) -> u32 {
    open(&attempt.destination);
    let zero = zero();
    emit(&Record {
        destination: attempt.destination,
        socket: attempt.sock,
        began_ns: attempt.began_ns,
        established_ns: zero,
        ended_ns: now(),
        sent: zero,
        received: zero,
        local: none(),
        local_port: 0,
        remote_port: attempt.destination.port,
        namespace: 0,
        interface: 0,
        outcome,
        flags: 0,
        thread: 0,
        padding: 0,
    });
    0
}
