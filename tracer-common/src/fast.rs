//! The fast path of datagrams: slots that flows which last are counted in.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Address;

/// An open flow of UDP on the fast path. What it holds comes on top of what its entry in `FLOWS` holds.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct FastFlow {
    /// Address of the `struct sock`; 0 where the slot is free, or the socket is closed.
    pub sock: u64,
    /// As [`crate::FlowKey::socket`].
    pub socket: u64,
    /// As [`crate::FlowKey::address`].
    pub address: Address,
    /// Payload bytes that have left.
    pub sent: u64,
    /// Payload bytes that have arrived.
    pub received: u64,
    /// As [`crate::Flow::last_second`].
    pub last_second: u32,
    /// What the map `SECONDS` says, without a look-up there: all that a datagram needs is in one line of a processor's cache.
    pub second: u32,
    /// What [`port`] says where datagrams are counted here, else 0.
    pub port: u32,
    /// As [`crate::Flow::answered`].
    pub answered: u16,
    /// As [`crate::DestinationKey::direction`].
    pub direction: u16,
}
const _: () = assert!(size_of::<FastFlow>() == 64);

/// [`FastFlow::port`] has one of these, for a port can be 0: of IPv6, and of IPv4.
pub const FAST: u32 = 1 << 16;
pub const FAST_IPV4: u32 = 1 << 17;

/// A remote's port in network byte order, with the family of its address.
#[inline]
pub const fn port(address: &Address, port: u16) -> u32 {
    let family = if address.is_mapped() { FAST_IPV4 } else { FAST };
    port.to_be() as u32 | family
}

/// Flows that can be on the fast path. A power of two.
pub const FAST_FLOWS: u32 = 4096;

/// All slots, in the only element of an array, which is found with a key that is known before the program runs.
pub type FastFlows = [FastFlow; FAST_FLOWS as usize];
