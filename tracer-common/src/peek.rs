//! What the programs that measure a kernel without type information let out: looks at its memory.
//!
//! They are loaded only while the tracer starts, and only where the kernel does not tell of its types.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of one look. A structure that is larger takes several.
pub const PEEK_BYTES: usize = 4096;
/// Bytes that are read at once. What lies behind a structure may not be mapped, and then only so much is missing.
pub const PEEK_CHUNK: usize = 64;
/// Eight-byte words of a packet's structure that are kept; `struct sk_buff` has about 30.
pub const PACKET_WORDS: usize = 40;

/// The last look, and who took it.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Look {
    /// Address of the `struct task_struct` of the thread that asked.
    pub task: u64,
    /// Its process, and below it its thread, as `bpf_get_current_pid_tgid` has them.
    pub thread: u64,
    /// What stands at the address that was asked for, zeroes where nothing does.
    pub bytes: [u8; PEEK_BYTES],
}

/// What happens in one thread: the addresses that tracepoints were given there.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Watch {
    /// The thread, as in [`Look::thread`].
    pub thread: u64,
    /// `struct sock` of its last TCP connection attempt or listener.
    pub sock: u64,
    /// That of its last listener.
    pub listener: u64,
    /// `struct task_struct` of the last thread or process that it made.
    pub task: u64,
    /// `struct cgroup` that it last put a process into.
    pub cgroup: u64,
    /// Whether its next packet is wanted (1) or has been seen (0).
    pub packet_wanted: u64,
}

/// A `struct sock` in the moment that a listener has made it: a copy of its own.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Copied {
    pub bytes: [u8; PEEK_BYTES],
}

/// A packet on its way out: its `struct sk_buff`, and what each word of it leads to if it is an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Packet {
    pub words: [u64; PACKET_WORDS],
    pub targets: [[u8; PEEK_CHUNK]; PACKET_WORDS],
}
