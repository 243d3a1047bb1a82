//! What the kernel side knows of a TCP connection as long as it lives.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Address, DestinationKey};

/// [`Connection::flags`]: the SYN came from outside.
pub const CONNECTION_ACCEPTED: u32 = 1;
/// [`Connection::flags`]: a connection of MPTCP, which counts the bytes of the contact that its first subflow is.
pub const CONNECTION_CARRIER: u32 = 2;
/// [`Connection::flags`]: the first subflow of such a connection, whose bytes are counted there.
pub const CONNECTION_CARRIED: u32 = 4;
/// [`Connection::flags`]: a further subflow, where MPTCP does not count bytes itself.
pub const CONNECTION_JOINED: u32 = 8;
/// [`Connection::flags`]: no program was run when it began, or when its handshake was complete: its times are those at which that
/// was noticed.
pub const CONNECTION_LATE: u32 = 16;
/// [`Connection::flags`]: a socket that a listener has made, whose handshake is not known to be complete. Of its destination only the
/// program is known.
pub const CONNECTION_PENDING: u32 = 32;
/// [`Connection::flags`]: it was seen in a sockmap, where what is sent may go from socket to socket, and past TCP.
pub const CONNECTION_PAST: u32 = 64;
/// [`Connection::flags`]: it was seen when both ends had closed it, and only the answer to the last FIN was missing.
pub const CONNECTION_CLOSED: u32 = 128;
/// [`Connection::flags`] of what is no contact of its own.
pub const CONNECTION_NO_CONTACT: u32 = CONNECTION_CARRIER | CONNECTION_JOINED;

/// A connection from its SYN to its end, or an accepted one from when the listener made its socket; found by the address of its
/// `struct sock`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Connection {
    /// Where it is counted.
    pub destination: DestinationKey,
    /// `CLOCK_MONOTONIC` nanoseconds of the SYN. Also tells this connection from a later one of the same `struct sock`.
    pub began_ns: u64,
    /// `CLOCK_MONOTONIC` nanoseconds of the completed handshake, 0 before.
    pub established_ns: u64,
    /// `began_ns` of the connection that the rest was sampled of: where it is another, the rest means nothing.
    pub sampled_ns: u64,
    /// Payload that had left when user space last asked.
    pub sent: u64,
    /// Payload that had arrived when user space last asked.
    pub received: u64,
    /// `sock_common.skc_cookie` when user space last asked, 0 where the kernel has given none.
    pub cookie: u64,
    /// The local address when user space last asked, as [`DestinationKey::address`].
    pub local: Address,
    /// The local port when user space last asked.
    pub local_port: u16,
    /// The remote's port when user space last asked.
    pub remote_port: u16,
    /// Inode number of the network namespace when user space last asked.
    pub namespace: u32,
    /// As [`crate::Record::interface`], when user space last asked.
    pub interface: u32,
    /// The last error (`errno`) that the socket reported to its program, 0 where there was none.
    pub error: i16,
    /// `CONNECTION_…`.
    pub flags: u16,
    /// Where in what is sent a TLS hello begins, while one is looked for or goes on.
    pub name_from: u16,
    /// Where what comes next begins.
    pub name_next: u16,
    /// Where the hello ends; 0 as long as too little of it has been seen to tell.
    pub name_to: u16,
    /// [`crate::name::LOOKING`] and so on.
    pub name_state: u16,
    /// As [`crate::Record::thread`].
    pub thread: u32,
    /// [`DestinationKey::seal`] of where it is counted: where it is another's, that is being written.
    pub seal: u32,
    /// The first bytes of the hello, as far as they came, big-endian.
    pub name_head: u64,
}

impl Connection {
    /// Nothing is known of it.
    const UNKNOWN: Self = zerocopy::transmute!([0_u8; size_of::<Self>()]);

    /// What was sampled of it; of one that had its place in memory before, nothing.
    #[inline]
    pub const fn sample(&self) -> &Self {
        if self.sampled_ns == self.began_ns {
            self
        } else {
            &Self::UNKNOWN
        }
    }
}
