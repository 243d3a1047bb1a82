//! What the ring buffer carries: the details of one connection. Totals never depend on it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::DestinationKey;

/// [`Record::kind`]: the handshake was completed.
pub const ESTABLISHED: u32 = 1;
/// [`Record::kind`]: the attempt failed; `reason` says why.
pub const FAILED: u32 = 2;
/// [`Record::kind`]: an established connection ended.
pub const CLOSED: u32 = 3;

/// One step in the life of a connection.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Record {
    /// Program and destination.
    pub destination: DestinationKey,
    /// `CLOCK_MONOTONIC` nanoseconds of the SYN.
    pub began_ns: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of the completed handshake, 0 if there was none.
    pub established_ns: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of this step.
    pub at_ns: u64,
    /// Payload that left, so far.
    pub sent: u64,
    /// Payload that arrived, so far.
    pub received: u64,
    /// `ESTABLISHED`, `FAILED` or `CLOSED`.
    pub kind: u32,
    /// Index into [`crate::outcome::NAMES`] when `kind` is `FAILED`, else 0.
    pub reason: u32,
}
