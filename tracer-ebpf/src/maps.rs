//! The maps, each with the reason for its size. User space may change the sizes at load.
//!
//! Plain hashes, preallocated: an insertion then fails only when the map is full, which is counted, and never for want
//! of memory.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use tracer_common::{
    Connection, Counts, DestinationKey, Older, ProcessFacts, ProcessKey, map::counter,
};

/// Exact counters per program and destination. 100,000 destinations and room to spare.
#[map]
pub static DESTINATIONS: HashMap<DestinationKey, Counts> = HashMap::with_max_entries(131_072, 0);

/// Programs that made a contact and still live. More than a busy server runs; each takes about a kilobyte.
#[map]
pub static PROCESSES: HashMap<ProcessKey, ProcessFacts> = HashMap::with_max_entries(8_192, 0);

/// One entry, by handle, for each program that found `DESTINATIONS` full, and one for what found `PROCESSES` full. As
/// large as `PROCESSES` and one more, so that it is never full before.
#[map]
pub static OVERFLOW: HashMap<u64, Counts> = HashMap::with_max_entries(8_193, 0);

/// Connections begun here and not ended, by the address of their `struct sock`.
#[map]
pub static CONNECTIONS: HashMap<u64, Connection> = HashMap::with_max_entries(65_536, 0);

/// Sockets that were there before the tracer, by cookie. Filled once, at the start.
#[map]
pub static OLDER: HashMap<u64, Older> =
    HashMap::with_max_entries(65_536, 1 /* BPF_F_NO_PREALLOC: mostly empty */);

/// Counters that belong to no program: see `tracer_common::map::counter`.
#[map]
pub static COUNTERS: Array<u64> = Array::with_max_entries(counter::COUNT, 0);

/// Details. At 180,000 connections a second, the most measured here, the reader has 40 ms from its wake-up.
#[map]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(1 << 21, 0);

/// A program's facts are too large for the stack. Only the task context writes here, and it is not preempted meanwhile.
#[map]
pub static SCRATCH: PerCpuArray<ProcessFacts> = PerCpuArray::with_max_entries(1, 0);
