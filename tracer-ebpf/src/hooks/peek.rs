//! Where does this kernel keep what is read? Looks at kernel memory, for a kernel that does not tell of its types.
//!
//! User space makes objects of which it knows every value, asks where they are, reads them and looks for the values. These
//! programs are loaded for that alone, by a process that may read kernel memory anyway, and are gone when hooks are
//! attached. They see one thread, the one that asks, and what comes to its listener.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_current_task, bpf_probe_read_kernel},
    },
    macros::{map, raw_tracepoint},
    maps::Array,
    programs::RawTracePointContext,
};
use tracer_common::peek::{Copied, Look, PACKET_WORDS, PEEK_BYTES, PEEK_CHUNK, Packet, Watch};

use crate::memory::read_at;

// include/net/tcp_states.h
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const LISTEN: i32 = 10;

/// The last look.
#[map]
pub static LOOK: Array<Look> = Array::with_max_entries(1, 0);

/// The thread that is watched, and what it made last.
#[map]
pub static WATCH: Array<Watch> = Array::with_max_entries(1, 0);

/// The last socket that a listener of the watched thread made.
#[map]
pub static COPIED: Array<Copied> = Array::with_max_entries(1, 0);

/// The packet that was wanted.
#[map]
pub static PACKET: Array<Packet> = Array::with_max_entries(1, 0);

/// Attached to nothing: user space runs it (`BPF_PROG_TEST_RUN`, since 5.10) with an address and a number of chunks, and
/// finds in [`LOOK`] what stands there.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn peek(context: RawTracePointContext) -> i32 {
    let (address, chunks): (u64, u64) = (context.arg(0), context.arg(1));
    let Some(look) = LOOK.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: a live map value; one thread at a time runs this program.
    let look = unsafe { &mut *look };
    // SAFETY: the helper returns a number.
    look.task = unsafe { bpf_get_current_task() };
    look.thread = bpf_get_current_pid_tgid();
    for (at, chunk) in look.bytes.chunks_exact_mut(PEEK_CHUNK).enumerate() {
        if at as u64 >= chunks {
            break;
        }
        copy(chunk, address.wrapping_add((at * PEEK_CHUNK) as u64));
    }
    0
}

/// `sock:inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`, since 4.16: `connect(2)`
/// and `listen(2)` pass it in their own context, the socket that a listener makes in whatever thread handles the packet.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn peek_sock(context: RawTracePointContext) -> i32 {
    let sock: u64 = context.arg(0);
    match (context.arg::<i32>(1), context.arg::<i32>(2)) {
        (LISTEN, SYN_RECV) => keep_copy(sock),
        (_, state @ (SYN_SENT | LISTEN)) => {
            if let Some(watch) = watched() {
                watch.sock = sock;
                if state == LISTEN {
                    watch.listener = sock;
                }
            }
        }
        _ => {}
    }
    0
}

/// Keeps the socket at `sock`, if it leads to the listener of the thread that is watched.
#[inline(always)]
fn keep_copy(sock: u64) {
    let (Some(watch), Some(copied)) = (WATCH.get_ptr(0), COPIED.get_ptr_mut(0)) else {
        return;
    };
    // SAFETY: a field of a live map value.
    let listener = unsafe { (*watch).listener };
    let leads = |word: usize| {
        let at = 8 * word as u64;
        read_at::<u64>(sock.wrapping_add(at)) == listener.wrapping_add(at)
    };
    if !(0..PEEK_BYTES / 8).any(leads) {
        return;
    }
    // SAFETY: a live map value, and one connection at a time is made to that listener.
    let copied = unsafe { &mut *copied };
    for (at, chunk) in copied.bytes.chunks_exact_mut(PEEK_CHUNK).enumerate() {
        copy(chunk, sock.wrapping_add((at * PEEK_CHUNK) as u64));
    }
}

/// `task:task_newtask(struct task_struct *task, unsigned long clone_flags)`, since 3.4: in the context of who makes it.
#[raw_tracepoint(tracepoint = "task_newtask")]
pub fn peek_task(context: RawTracePointContext) -> i32 {
    if let Some(watch) = watched() {
        watch.task = context.arg(0);
    }
    0
}

/// `cgroup:cgroup_attach_task(struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup)`,
/// since 4.14: in the context of who moves it.
#[raw_tracepoint(tracepoint = "cgroup_attach_task")]
pub fn peek_cgroup(context: RawTracePointContext) -> i32 {
    if let Some(watch) = watched() {
        watch.cgroup = context.arg(0);
    }
    0
}

/// `net:net_dev_queue(struct sk_buff *skb)`, since 2.6.36: a packet on its way out, over loopback too.
#[raw_tracepoint(tracepoint = "net_dev_queue")]
pub fn peek_packet(context: RawTracePointContext) -> i32 {
    let (Some(watch), Some(packet)) = (watched(), PACKET.get_ptr_mut(0)) else {
        return 0;
    };
    if watch.packet_wanted == 0 {
        return 0;
    }
    watch.packet_wanted = 0;
    let base: u64 = context.arg(0);
    for at in 0..PACKET_WORDS {
        // SAFETY: a live map value, and one thread at a time is watched.
        let (word, target) = unsafe { (&mut (*packet).words[at], &mut (*packet).targets[at]) };
        *word = read_at(base.wrapping_add(8 * at as u64));
        copy(target, *word);
    }
    0
}

/// What is kept of the running thread, if it is the one that is watched.
#[inline(always)]
fn watched() -> Option<&'static mut Watch> {
    // SAFETY: a live map value, which only the thread that is watched changes.
    let watch = unsafe { &mut *WATCH.get_ptr_mut(0)? };
    (watch.thread == bpf_get_current_pid_tgid()).then_some(watch)
}

/// Copies a chunk of kernel memory, zeroes where nothing is mapped.
#[inline(always)]
fn copy(chunk: &mut [u8], address: u64) {
    // SAFETY: every chunk has this length; the helper writes so much, zeroes where it fails, and never faults.
    unsafe {
        bpf_probe_read_kernel(
            chunk.as_mut_ptr().cast::<c_void>(),
            PEEK_CHUNK as u32,
            address as *const c_void,
        );
    }
}

const _: () = assert!(PEEK_BYTES.is_multiple_of(PEEK_CHUNK));
