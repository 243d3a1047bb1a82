//! What the ring buffer carries: a contact that has ended, with all that is known of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Address, DestinationKey, outcome::REASONS};

/// [`Record::outcome`]: nobody saw how it ended, or whether it was ever established.
pub const UNKNOWN: u16 = 0;
/// [`Record::outcome`]: it was established, or answered, and is over.
pub const ESTABLISHED: u16 = 1;
/// [`Record::outcome`] of a contact that failed: this, and the reason's index in [`crate::outcome::NAMES`].
pub const FAILED: u16 = 2;

/// [`Record::flags`]: no contact of its own; its bytes are those of a contact at the same destination.
pub const NO_CONTACT: u16 = 1;
/// [`Record::flags`]: its times are those at which it was noticed, later than those at which it happened.
pub const LATE: u16 = 2;
/// [`Record::flags`]: it was seen in a sockmap, and its bytes are those alone that went through TCP.
pub const PAST: u16 = 4;

/// [`Record::outcome`] of a contact that failed for the reason of this index. The reverse of [`reason`].
#[must_use]
pub const fn failed(reason: usize) -> u16 {
    FAILED + reason as u16
}

/// The reason of a failed contact; `None` for every other one.
#[inline]
pub const fn reason(outcome: u16) -> Option<usize> {
    let reason = outcome.wrapping_sub(FAILED) as usize;
    if reason < REASONS { Some(reason) } else { None }
}

/// A contact that has ended. Whoever removes its entry from a table writes it, once.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Record {
    /// Program and destination.
    pub destination: DestinationKey,
    /// Address of the `struct sock` of a connection, [`crate::FlowKey::socket`] of a flow. With `began_ns` and, for a flow, the
    /// remote, it tells a contact from every other one.
    pub socket: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of the SYN, or of a flow's first packet.
    pub began_ns: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of the completed handshake; 0 if there was none, or its time is not known.
    pub established_ns: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of its end.
    pub ended_ns: u64,
    /// Payload bytes that left.
    pub sent: u64,
    /// Payload bytes that arrived.
    pub received: u64,
    /// The local address, as [`DestinationKey::address`]; [`Address::ANY`] where it is not known.
    pub local: Address,
    /// The local port, 0 where it is not known.
    pub local_port: u16,
    /// The remote's port, which `destination` does not have of an accepted contact; 0 where it is not known.
    pub remote_port: u16,
    /// Inode number of the network namespace, 0 where it is not known.
    pub namespace: u32,
    /// Index of the interface, or of the VRF, that the socket is bound to, or over which a remote is whose address needs that
    /// ([`Address::has_scope`]); else 0, and where it is not known.
    pub interface: u32,
    /// `UNKNOWN`, `ESTABLISHED`, or `FAILED` and the reason.
    pub outcome: u16,
    /// `NO_CONTACT`, `LATE`, `PAST`.
    pub flags: u16,
    /// Number of the thread that began it, in the initial PID namespace; 0 where that is not known.
    pub thread: u32,
    /// Zero.
    pub padding: u32,
}
