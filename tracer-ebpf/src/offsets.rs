//! Where the running kernel keeps the fields read here: filled in by user space before the load.
//!
//! Read-only globals are constants to the verifier, so none of them costs a branch. A test of the user side compares
//! this list with `tracer_common::offset::FIELDS`.

use aya_ebpf::Global;

macro_rules! offsets {
    ($($name:ident)*) => { $(#[unsafe(no_mangle)] pub static $name: Global<u32> = Global::new(0);)* };
}

offsets! {
    SOCK_PROTOCOL SOCK_ERROR SOCK_SHUTDOWN SOCK_STATE SOCK_FAMILY SOCK_FLAGS SOCK_COOKIE
    SOCK_REMOTE_PORT SOCK_REMOTE_IPV4 SOCK_REMOTE_IPV6 SOCK_LOCAL_PORT SOCK_SOURCE_PORT SOCK_LOCAL_IPV4 SOCK_LOCAL_IPV6
    SOCK_NAMESPACE SOCK_SOCKET SOCK_USER NAMESPACE_INODE SOCKET_FILE SOCKET_SOCK SOCKET_STATE SOCK_TYPE SOCK_INTERFACE SOCK_WRITTEN
    SOCK_PROTO PROTO_RECEIVE TCP_UPPER
    INET_FLAGS MESSAGE_NAME MESSAGE_DATA DATA_KIND DATA_SKIPPED DATA_PLACE DATA_LENGTH UNIX_PEER UNIX_ADDRESS UNIX_ADDRESS_LENGTH UNIX_ADDRESS_NAME
    PACKET_LENGTH PACKET_HEAD PACKET_DATA PACKET_NETWORK PACKET_TRANSPORT
    PACKET_SOCK PACKET_CONTROL PACKET_DEVICE PACKET_DATA_LENGTH PACKET_END SHARED_FRAGMENTS
    TCP_IS_MULTIPATH TCP_SUBFLOW SUBFLOW_CONNECTION SUBFLOW_JOINS SUBFLOW_JOINED
    MULTIPATH_SENT MULTIPATH_RECEIVED
    ASSOCIATION_SOCK ASSOCIATION_PEER ASSOCIATION_TRIES OUTQ_ASSOCIATION CHUNK_HEADER
    DEVICE_UPPER ADJACENT_DEVICE ADJACENT_LIST RING_BLOCKS RING_HEAD RING_FRAME_BYTES RING_BLOCK_FRAMES
    TCP_SENT_LIST SOCK_PORT_BUCKET TCP_SEGMENTS_OUT TCP_BYTES_SENT TCP_BYTES_RETRANSMITTED TCP_BYTES_RECEIVED
    TCP_BYTES_ACKNOWLEDGED TCP_SEND_UNACKNOWLEDGED TCP_SEND_NEXT TCP_SEND_END
    TASK_PROCESS TASK_THREAD TASK_CREDENTIALS CREDENTIALS_USER TASK_LEADER TASK_STARTED TASK_IMAGE TASK_MEMORY TASK_CGROUPS
    TASK_FILES FILES_TABLE TABLE_FILES TABLE_SIZE
    MEMORY_EXECUTABLE MEMORY_ARGUMENTS FILE_ENTRY ENTRY_NAME
    CGROUPS_UNIFIED CGROUPS_SUBSYSTEMS SUBSYSTEM_CGROUP CGROUP_NODE NODE_ID NODE_NAME NODE_PARENT
}

/// Whether the field is known on this kernel.
#[inline(always)]
pub fn is_known(field: &Global<u32>) -> bool {
    field.load() != tracer_common::offset::UNKNOWN
}

/// Index into `css_set.subsys` of the v1 hierarchy whose path names containers and services, or -1 where the unified
/// hierarchy does.
#[unsafe(no_mangle)]
pub static CGROUP_SUBSYSTEM: Global<i32> = Global::new(-1);

/// Unread bytes in the ring buffer at which the reader is woken before its timer does it. A wake-up costs the traced
/// program 10 to 20 µs, so it must come once in thousands of records; and early enough to leave the reader time. A power
/// of two.
#[unsafe(no_mangle)]
pub static RING_WAKE_BYTES: Global<u64> = Global::new(1 << 18);

/// The same for the ring buffer of names.
#[unsafe(no_mangle)]
pub static NAMES_WAKE_BYTES: Global<u64> = Global::new(1 << 17);

/// 1 where names are looked for.
#[unsafe(no_mangle)]
pub static NAMES_WANTED: Global<u32> = Global::new(0);

/// 1 where Android's rules hold: what a process does on another user's socket is that user's.
#[unsafe(no_mangle)]
pub static BY_SOCKETS_USER: Global<u32> = Global::new(0);

/// 1 with kprobes: sockets of datagrams are known by their address, calls of `connect(2)` by their thread. 0 at the control group: by
/// their cookie, and by the socket.
#[unsafe(no_mangle)]
pub static BY_ADDRESS: Global<u32> = Global::new(0);

/// Why a packet is dropped that its socket's filter refuses (`SKB_DROP_REASON_SOCKET_FILTER`); a number that no reason has where the
/// kernel does not tell.
#[unsafe(no_mangle)]
pub static DROP_BY_FILTER: Global<u32> = Global::new(0);

/// 1 where a task may preempt a program at a tracepoint, and the kernel skips that for it: from Linux 7 on.
#[unsafe(no_mangle)]
pub static IS_PREEMPTED: Global<u32> = Global::new(0);

/// 1 where a program can ask what others have answered before it (`bpf_get_retval`); to the verifier a call behind 0 is not there.
#[unsafe(no_mangle)]
pub static TELLS_ANSWERS: Global<u32> = Global::new(0);

/// What the bits of the byte at `DATA_KIND` that count say of what a call hands over: it is in one buffer of the program, or in several
/// (`ITER_UBUF`, since 6.0; `ITER_IOVEC`).
#[unsafe(no_mangle)]
pub static DATA_KIND_BITS: Global<u32> = Global::new(0);
/// See [`DATA_KIND_BITS`]; a number that no kind has where the kernel has none in one buffer.
#[unsafe(no_mangle)]
pub static DATA_IN_ONE: Global<u32> = Global::new(0);
/// See [`DATA_KIND_BITS`].
#[unsafe(no_mangle)]
pub static DATA_IN_SEVERAL: Global<u32> = Global::new(0);

/// The bit of the byte at `SUBFLOW_JOINS` that says that a subflow is to join a connection of MPTCP, begun here.
#[unsafe(no_mangle)]
pub static JOINS: Global<u32> = Global::new(0);

/// The bit of the byte at `SUBFLOW_JOINED` that says that one that was accepted joins.
#[unsafe(no_mangle)]
pub static JOINED: Global<u32> = Global::new(0);

/// The bit of the word at `INET_FLAGS` that says that a raw socket's program writes the IP header itself.
#[unsafe(no_mangle)]
pub static HEADER_INCLUDED: Global<u32> = Global::new(0);
