//! The maps, each with the reason for its size. User space may change the sizes at load.
//!
//! Plain hashes that allocate as they are filled: at rest they take what their buckets take. An insertion that fails, since the map is
//! full or there is no memory, is counted. Before Linux 6.1 a tracing program must not allocate: user space clears the flag, and all of a
//! hash's entries are there from the start on (`tracer/src/kernel/preallocated.rs`).
//!
//! Of either kind an entry that is removed can be another key's at once; before 6.1 one that was allocated stayed as it was until the
//! programs that had found it were over. What a program tells of an entry that it ends counts only where its own removal of the key
//! succeeds: then it was that entry's. Anything else that is read or added is right as long as the socket is not closed meanwhile. A
//! datagram that arrives in the very moment of a close, or two minutes after the last, can count with what gets the entry next.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use tracer_common::{
    Attempt, Call, Charge, Connection, Counts, DestinationKey, Flow, FlowKey, ListenedPort,
    Listener, Listeners, Older, ProcessFacts, ProcessKey, Sending, SocketFacts, Translation,
    fast::FastFlows, map::counter,
};

use crate::hooks::lookup::call::Asking;

/// `BPF_F_NO_PREALLOC`: mostly empty, and then it takes no memory.
const MOSTLY_EMPTY: u32 = 1;
/// `BPF_F_MMAPABLE`, since 5.5: user space reads and writes it as memory.
const SHARED: u32 = 1 << 10;

/// Exact counters per program and destination, of ended contacts for which the ring buffer had no room. Where this has none
/// either, a program's contacts are counted in `OVERFLOW`.
#[map]
pub static DESTINATIONS: HashMap<DestinationKey, Counts> =
    HashMap::with_max_entries(8_192, MOSTLY_EMPTY);

/// Handles of programs that made a contact and still live. More than a busy server runs.
#[map]
pub static PROCESSES: HashMap<ProcessKey, u64> = HashMap::with_max_entries(8_192, MOSTLY_EMPTY);

/// What is written down of each of them, by handle; about a kilobyte each.
#[map]
pub static FACTS: HashMap<u64, ProcessFacts> = HashMap::with_max_entries(8_192, MOSTLY_EMPTY);

/// For each program that found no room above, and for what found none in `PROCESSES`, an entry for each protocol and
/// direction. Ten times as large as `PROCESSES`, so that it is never full before.
#[map]
pub static OVERFLOW: HashMap<DestinationKey, Counts> =
    HashMap::with_max_entries(81_930, MOSTLY_EMPTY);

/// TCP connections that have not ended, by the address of their `struct sock`.
#[map]
pub static CONNECTIONS: HashMap<u64, Connection> = HashMap::with_max_entries(65_536, MOSTLY_EMPTY);

/// Where the contact of a connection of MPTCP is counted, by the address of that connection's `struct sock`.
#[map]
pub static MULTIPATH: HashMap<u64, DestinationKey> =
    HashMap::with_max_entries(16_384, MOSTLY_EMPTY);

/// Flows of datagrams that are open. User space removes those that are over.
#[map]
pub static FLOWS: HashMap<FlowKey, Flow> = HashMap::with_max_entries(262_144, MOSTLY_EMPTY);

/// Those of them that are on the fast path, each at the slot that its socket's address says.
#[map]
pub static FAST_FLOWS: Array<FastFlows> = Array::with_max_entries(1, SHARED);

/// Sockets of datagrams that are open.
#[map]
pub static SOCKETS: HashMap<u64, SocketFacts> = HashMap::with_max_entries(65_536, MOSTLY_EMPTY);

/// Whom the calls of a UDP socket named last, by its cookie: only at the cgroup, where packets are seen. As large as `SOCKETS`.
#[map]
pub static CALLS: HashMap<u64, Call> = HashMap::with_max_entries(65_536, MOSTLY_EMPTY);

/// Whose a socket was that was closed before all that it had sent had left, by cookie: only at the cgroup. The oldest may go.
#[map]
pub static CLOSED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(2_048, 0);

/// Sockets over which a program asked Android's resolver, past its C library: only those answers are looked at. The oldest may go.
#[map]
pub static PROXY_ASKED: LruHashMap<u64, u32> = LruHashMap::with_max_entries(2_048, 0);

/// To whom the datagrams of a flow left, where that is not whom the calls named: only at the cgroup. Nothing is counted there, so the
/// oldest may go.
#[map]
pub static TRANSLATIONS: LruHashMap<FlowKey, Translation> = LruHashMap::with_max_entries(2_048, 0);

/// Over which socket an association of SCTP began, by cookie. Its key is that of its flow, with the namespace and the local port in the
/// socket's place: only at the cgroup. The oldest may go.
#[map]
pub static ASSOCIATIONS: LruHashMap<FlowKey, u64> = LruHashMap::with_max_entries(2_048, 0);

/// TCP sockets that listen, by their address; those that were there before the tracer by their cookie.
#[map]
pub static LISTENERS: HashMap<u64, Listener> = HashMap::with_max_entries(16_384, MOSTLY_EMPTY);

/// How many of them listen at which port. As large as `LISTENERS`.
#[map]
pub static PORTS: HashMap<ListenedPort, Listeners> =
    HashMap::with_max_entries(16_384, MOSTLY_EMPTY);

/// Sockets that were there before the tracer, by cookie. Filled once, at the start.
#[map]
pub static OLDER: HashMap<u64, Older> = HashMap::with_max_entries(65_536, MOSTLY_EMPTY);

/// To whom Android charges which socket, by cookie. Stands in for the map of `netd`'s, which takes its place where it is to be
/// had; empty.
#[map]
pub static CHARGES: HashMap<u64, Charge> = HashMap::with_max_entries(1, 0);

/// Counters that belong to no program: see `tracer_common::map::counter`.
#[map]
pub static COUNTERS: Array<u64> = Array::with_max_entries(counter::COUNT, 0);

/// Calls of `connect(2)` that have not sent a SYN: where kprobes serve, by thread, and as many as can be in such a call at once;
/// elsewhere by the address of the `struct sock`.
#[map]
pub static ATTEMPTS: HashMap<u64, Attempt> = HashMap::with_max_entries(32_768, MOSTLY_EMPTY);

/// Calls that send a datagram and have not returned, by thread: only where kprobes serve. As many as threads can be in
/// such a call at once.
#[map]
pub static SENDING: HashMap<u64, Sending> = HashMap::with_max_entries(32_768, MOSTLY_EMPTY);

/// Slots of `STREAMS_BEHIND`. Streams that share one take it from each other, and are asked for once more.
pub const STREAMS: u32 = 4096;

/// TCP streams of which no name can come any more, each at the slot that its packets' hash says (`hooks/name/behind.rs`).
#[map]
pub static STREAMS_BEHIND: Array<[u64; STREAMS as usize]> = Array::with_max_entries(1, 0);

/// Address of TCP's own function that receives, as its first connection has it; 0 before.
#[map]
pub static TCP_RECEIVE: Array<u64> = Array::with_max_entries(1, 0);

/// Seconds since the tracer began, as user space counts them: to read it costs a datagram less than a clock.
#[map]
pub static SECONDS: Array<u32> = Array::with_max_entries(1, 0);

/// How often users of Android have changed hands: who acts for one is another program from then on.
#[map]
pub static HANDOVERS: Array<u32> = Array::with_max_entries(1, 0);

/// The change of a TCP socket's state that `tcp_life` was run for last on this processor.
#[map]
pub static LATEST_CHANGE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// The datagram that arrived last on this processor, in case its socket does not take it.
#[map]
pub static ARRIVED: PerCpuArray<Arrived> = PerCpuArray::with_max_entries(1, 0);

/// See [`ARRIVED`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Arrived {
    /// Key of its socket in [`SOCKETS`]. On the fast path, which has cookies for keys, the address of its `struct sock`, which
    /// is none; then the rest but `bytes` means nothing.
    pub socket: u64,
    /// Beside it, in the same line of the processor's cache.
    pub bytes: u64,
    /// Address of the `struct sk_buff`, which then may stand for another one; 0 where it is not known.
    pub packet: u64,
    /// What it was counted in: see [`crate::hooks::arrived`].
    pub counted: u64,
    pub flow: FlowKey,
    /// Where it is counted, if alone.
    pub destination: DestinationKey,
}

/// The frame that a program made and handed to a device last on this processor.
#[map]
pub static FRAME: PerCpuArray<Frame> = PerCpuArray::with_max_entries(1, 0);

/// See [`FRAME`]: addresses in the kernel's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frame {
    pub packet: u64,
    pub device: u64,
}

/// Calls that ask the C library for a name, by thread. More than wait for a name at a time on a busy server. An LRU: each thread
/// that has asked keeps an entry until others need it. The return of a call whose entry had to go is counted.
#[map]
pub static ASKING: LruHashMap<u32, Asking> = LruHashMap::with_max_entries(4_096, 0);

/// What may say a name. Its reader is woken as that of `RECORDS` is.
#[map]
pub static NAMES: RingBuf = RingBuf::with_byte_size(1 << 19, 0);

/// Details. At 180,000 connections a second, the most measured here, the reader has 40 ms from its wake-up.
#[map]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(1 << 21, 0);
