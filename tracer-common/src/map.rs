//! Keys and values of the kernel's maps.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Address, outcome::REASONS};

pub use crate::{
    connection::{
        CONNECTION_ACCEPTED, CONNECTION_CARRIED, CONNECTION_CARRIER, CONNECTION_CLOSED,
        CONNECTION_JOINED, CONNECTION_LATE, CONNECTION_NO_CONTACT, CONNECTION_PAST,
        CONNECTION_PENDING, Connection,
    },
    counter,
};

/// Bytes kept of an executable's file name. Longer names are cut.
pub const EXECUTABLE_BYTES: usize = 64;
/// Bytes kept of the first argument. Android puts the package name there; package names are at most 255 bytes, but
/// those of real packages stay well below 128.
pub const COMMAND_BYTES: usize = 128;
/// Bytes kept of a cgroup's paths, written leaf first. The longest Kubernetes path takes 190; on hybrid machines
/// there are two.
pub const CGROUP_BYTES: usize = 768;
/// Most bytes of one component of a path, its terminating NUL included; longer ones are cut. Those of containers have up to 150.
pub const CGROUP_COMPONENT_BYTES: usize = 160;
/// Components kept of that path, counted from the root.
pub const CGROUP_LEVELS: usize = 12;
/// Levels between a cgroup and the root beyond which nothing is known of its path.
pub const CGROUP_DEPTH: usize = 32;

/// [`DestinationKey::protocol`] of ICMP, as in the IP header; ICMPv6 is counted under it too.
pub const PROTOCOL_ICMP: u8 = 1;
/// [`DestinationKey::protocol`] of TCP, as in the IP header.
pub const PROTOCOL_TCP: u8 = 6;
/// [`DestinationKey::protocol`] of UDP and UDP-Lite, as in the IP header.
pub const PROTOCOL_UDP: u8 = 17;
/// [`DestinationKey::protocol`] of SCTP, as in the IP header.
pub const PROTOCOL_SCTP: u8 = 132;
/// [`DestinationKey::protocol`] of everything else, whatever the IP header says (`IPPROTO_RAW`).
pub const PROTOCOL_RAW: u8 = 255;
/// [`DestinationKey::direction`]: begun by this machine.
pub const DIRECTION_OUT: u8 = 0;
/// [`DestinationKey::direction`]: accepted by this machine.
pub const DIRECTION_IN: u8 = 1;
/// Key in `FACTS` of what could not be registered as a process. Its only entry is its overflow entry.
pub const HANDLE_UNATTRIBUTED: u64 = 0;
/// [`DestinationKey::process`] of what came to a socket of which nobody knows whose it is.
pub const HANDLE_NO_OWNER: u64 = HANDLE_USER_MAXIMUM - 1;
/// Handles below this are given by user space (to the owners of sockets older than the tracer), those above by the
/// kernel side, which makes them of the time since boot in nanoseconds times 1024.
pub const HANDLE_USER_MAXIMUM: u64 = 1 << 32;

/// [`ProcessFacts::flags`]: a thread of the kernel; it has no executable.
pub const FLAG_KERNEL_THREAD: u32 = 1;
/// [`ProcessFacts::flags`]: a cgroup's path had more components than are kept: its end is missing.
pub const FLAG_CGROUP_CUT: u32 = 2;
/// [`ProcessFacts::flags`]: all that can be written down has been; set last.
pub const FLAG_DESCRIBED: u32 = 4;
/// [`ProcessFacts::flags`]: a cgroup is too deep for its path to be known, or the names in it are too long.
pub const FLAG_CGROUP_UNKNOWN: u32 = 16;
/// [`ProcessFacts::flags`]: it acts for a user that is not its own.
pub const FLAG_ACTS: u32 = 8;

/// What tells one running program from every other: a process that executes another file, takes another user or is
/// moved to another control group is another program to us, and so is another process that got the same number.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ProcessKey {
    /// `task_struct.start_boottime` of the thread group's leader: nanoseconds since boot, suspend included.
    pub started_ns: u64,
    /// Thread group id (what user space calls PID) in the initial PID namespace.
    pub process: u32,
    /// Real user id in the initial user namespace; with Android's rules that of whom the contact is made for.
    pub user: u32,
    /// `task_struct.self_exec_id`, low 32 bits: grows by one with every `execve` and is inherited by `fork`.
    pub image: u32,
    /// Low 32 bits of the id of the control group in the unified hierarchy, mixed with that in the hierarchy of the first
    /// version that names, where there is one.
    pub cgroup: u32,
}

/// What is written down of a program at its first contact, in its own context, so that one that lives a millisecond
/// has a name too.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ProcessFacts {
    /// Which program it is.
    pub key: ProcessKey,
    /// `FLAG_…`.
    pub flags: u32,
    /// Bytes used of `cgroup`.
    pub cgroup_length: u32,
    /// File name (not path) of `mm.exe_file`, NUL-terminated.
    pub executable: [u8; EXECUTABLE_BYTES],
    /// First argument, NUL-terminated; empty where its page was not in memory.
    pub command: [u8; COMMAND_BYTES],
    /// Names of the cgroup and its parents up to the root, leaf first, each NUL-terminated. On hybrid machines
    /// first in the hierarchy of the first version that names, then an empty name, then in the unified one.
    pub cgroup: [u8; CGROUP_BYTES],
}

/// Whom a program contacted.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DestinationKey {
    /// The program's key in `FACTS`.
    pub process: u64,
    /// The remote's, v4-mapped for IPv4 whichever family the socket has.
    pub address: Address,
    /// The remote's port for contacts begun here, the local one for accepted ones.
    pub port: u16,
    /// `PROTOCOL_…`.
    pub protocol: u8,
    /// `DIRECTION_…`.
    pub direction: u8,
    /// 1 in the key of an overflow entry, which holds what found no room of its own; its address and port are zero.
    pub overflow: u32,
}

/// The exact counters of one program at one destination: of contacts that have ended, and for whose record the ring buffer had no
/// room, or which found no room in the table of those that live. Each only grows, by atomic additions.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Counts {
    /// Contacts.
    pub connections: u64,
    /// Handshakes completed, flows answered.
    pub established: u64,
    /// Payload bytes that left.
    pub sent: u64,
    /// Payload bytes that arrived.
    pub received: u64,
    /// Contacts that failed, by reason ([`crate::outcome`]).
    pub failed: [u64; REASONS],
}

/// To whom Android charges a socket: `UidTagValue` of its `netd`, under the socket's cookie.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Charge {
    /// The uid that pays for what passes.
    pub user: u32,
    /// A number that the app chose, not read.
    pub tag: u32,
}

/// [`ProcessKey::user`] of Android is made of a user of the device, times this, and an app id.
pub const ANDROID_USER: u32 = 100_000;
/// The first app id that an installed app can have; those below are the platform's own.
pub const ANDROID_FIRST_APP: u32 = 10_000;

/// A socket that was there before the tracer, found by its cookie.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Older {
    /// Where its bytes are counted.
    pub destination: DestinationKey,
    /// Payload that had left before the tracer began.
    pub sent: u64,
    /// Payload that had arrived before the tracer began.
    pub received: u64,
}

/// A flow of datagrams between one socket and one remote.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct FlowKey {
    /// [`SocketFacts::identity`].
    pub socket: u64,
    /// As [`DestinationKey::address`].
    pub address: Address,
    /// The remote's port, 0 where the protocol has none.
    pub port: u16,
    /// `PROTOCOL_…`.
    pub protocol: u8,
    /// Zero. Whole words, as are other paddings: the compiler makes a call of a row of zero bytes.
    pub padding: u8,
    /// As [`crate::Record::interface`].
    pub interface: u32,
}

/// What is known of a flow that is open.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Flow {
    /// Where its contact is counted.
    pub destination: DestinationKey,
    /// Payload bytes that have left.
    pub sent: u64,
    /// Payload bytes that have arrived.
    pub received: u64,
    /// When the last datagram passed, in the tracer's seconds (the map `SECONDS`), modulo 2^32.
    pub last_second: u32,
    /// 1 once a datagram has passed each way.
    pub answered: u16,
    /// 1 where the socket is in `SOCKETS`, so that its end will be seen.
    pub followed: u16,
    /// The last error (`errno`) that the socket reported to its program, 0 where there was none.
    pub error: i32,
    /// The error (`errno`) with which the last call to send failed, 0 where it did not.
    pub refused: i32,
    /// Address of the `struct sock` that the flow was opened with; 0 of what is no datagram of a socket.
    pub sock: u64,
    /// [`SocketFacts::identity`] of the socket with whose end it ends: that of its key, unless another one has taken it over.
    pub keeper: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of its first packet. Also tells it from a later flow of the same key.
    pub began_ns: u64,
    /// When it was opened, in the tracer's seconds.
    pub opened: u32,
    /// The only slot of the fast path that a flow of this `sock` can have.
    pub slot: u32,
    /// Inode number of the network namespace, 0 where it is not known.
    pub namespace: u32,
    /// 1 where its datagrams leave to another remote than the calls name: packets alone do not tell whose they are.
    pub led: u32,
    /// As [`crate::Record::thread`].
    pub thread: u32,
    /// Zero.
    pub padding: u32,
}

/// A flow over which nothing has passed for more than so many seconds is over, as long as conntrack keeps one that was
/// answered (`nf_conntrack_udp_timeout_stream`): what passes next is another contact.
pub const SILENCE: u32 = 120;

/// A socket that sends or receives datagrams. Its key is the socket's cookie, or, where only kprobes serve, the address
/// of its `struct sock`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct SocketFacts {
    /// What tells the socket from every other one, an earlier one at the same address included.
    pub identity: u64,
    /// Handle of the program that bound it, connected it or was the first to send on it.
    pub owner: u64,
}

/// Whom a call that sends a datagram named.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Call {
    /// As [`DestinationKey::address`].
    pub address: Address,
    /// Address of the `struct task_struct` of the thread that called.
    pub thread: u64,
    /// The remote's port.
    pub port: u16,
    /// 1 where the socket's calls have named several.
    pub several: u16,
    /// Zero.
    pub padding: u32,
}

/// To whom datagrams left.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Translation {
    /// As [`DestinationKey::address`].
    pub address: Address,
    /// The remote's port.
    pub port: u16,
    /// Zero.
    pub padding: u16,
    /// Zero.
    pub more_padding: u32,
}

/// A `connect(2)` that has not sent a SYN yet.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Attempt {
    /// Where it is to be counted if it never does.
    pub destination: DestinationKey,
    /// `CLOCK_MONOTONIC` nanoseconds at which it began.
    pub began_ns: u64,
    /// Address of the `struct sock`.
    pub sock: u64,
}

/// A call that sends a datagram and has not returned.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Sending {
    /// Over which flow.
    pub flow: FlowKey,
    /// Where its contact is counted, should the flow find no room or end before the call does.
    pub destination: DestinationKey,
    /// Bytes of headers among what the program hands over.
    pub headers: u64,
    /// The function that was called, by the address that the probe at its entry shows.
    pub function: u64,
}

/// Who listens. Found by the address of the listening `struct sock`, or, where that was there before the tracer, by its cookie: a
/// small number, which no address is.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Listener {
    /// Handle of the program that began to listen.
    pub owner: u64,
    /// Where.
    pub port: ListenedPort,
}

/// A port of a network namespace at which somebody listens.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ListenedPort {
    /// Inode number of the network namespace.
    pub namespace: u32,
    /// The local port; 0 where the kernel had chosen none yet.
    pub port: u16,
    /// Zero.
    pub padding: u16,
}

/// The sockets that listen at one port, at whatever addresses.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Listeners {
    /// How many there are.
    pub sockets: u64,
    /// Sum of their addresses: where there is one, its address.
    pub sum: u64,
}

#[cfg(feature = "user")]
mod plain {
    use super::{
        Attempt, Call, Charge, Connection, Counts, DestinationKey, Flow, FlowKey, ListenedPort,
        Listener, Listeners, Older, ProcessFacts, ProcessKey, Sending, SocketFacts, Translation,
    };
    use crate::fast::FastFlow;
    use crate::peek::{Copied, Look, Packet, Watch};

    macro_rules! plain {
        ($($name:ty)*) => { $(
            // SAFETY: `repr(C)`, integers and byte arrays only, no padding: zerocopy's derives have proved it.
            unsafe impl aya::Pod for $name {}
        )* };
    }
    plain! {
        Attempt Call Charge Connection Counts DestinationKey FastFlow Flow FlowKey ListenedPort Listener Listeners Older ProcessFacts ProcessKey Sending
        SocketFacts Translation Copied Look Packet Watch
    }
}
