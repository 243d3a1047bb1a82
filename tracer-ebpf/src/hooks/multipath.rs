//! Connections of MPTCP: several of TCP, the subflows, that carry one contact's bytes.
//!
//! The first subflow is the contact. A further one joins: its bytes are the contact's, whoever made it, which is a thread of
//! the kernel here and a SYN from outside there.

use tracer_common::DestinationKey;

use super::attempt::CLOSE;
use crate::{
    counts::ANY,
    maps::MULTIPATH,
    memory::read,
    offsets::{
        JOINED, JOINS, MULTIPATH_RECEIVED, MULTIPATH_SENT, SOCK_STATE, SUBFLOW_CONNECTION,
        SUBFLOW_JOINED, SUBFLOW_JOINS, TCP_IS_MULTIPATH, TCP_SUBFLOW, is_known,
    },
};

/// A subflow of a connection of MPTCP.
pub struct Subflow {
    /// Where the connection's `struct sock` lies.
    pub connection: u64,
    joins: bool,
}

/// The subflow that the TCP socket at `sock` is; `None` where it is a connection of its own.
#[inline(always)]
pub fn subflow(sock: u64) -> Option<Subflow> {
    // A byte since 5.6; 1 once MPTCP was asked for, or 0 to the end.
    if !is_known(&TCP_IS_MULTIPATH) || read::<u8>(sock, &TCP_IS_MULTIPATH) & 1 == 0 {
        return None;
    }
    let context: u64 = read(sock, &TCP_SUBFLOW);
    let connection: u64 = read(context, &SUBFLOW_CONNECTION);
    if connection == 0 {
        return None;
    }
    let bits = |field, mask: u32| u32::from(read::<u8>(context, field)) & mask;
    let joins = bits(&SUBFLOW_JOINS, JOINS.load()) | bits(&SUBFLOW_JOINED, JOINED.load()) != 0;
    Some(Subflow { connection, joins })
}

/// Whether MPTCP counts the payload that passes over a connection: since 6.5. Over its subflows some passes twice.
#[inline(always)]
pub fn counts_bytes() -> bool {
    is_known(&MULTIPATH_SENT) && is_known(&MULTIPATH_RECEIVED)
}

impl Subflow {
    /// Where the contact is counted that it joins; `None` where it is the first one, or the first one was not seen.
    #[inline(always)]
    pub fn joined(&self) -> Option<DestinationKey> {
        if !self.joins {
            return None;
        }
        // SAFETY: a live map value.
        MULTIPATH
            .get_ptr(&self.connection)
            .map(|destination| unsafe { *destination })
    }

    /// Whether it needs no end of its own: it joined a connection that counts what passes over it.
    #[inline(always)]
    pub fn is_counted_elsewhere(&self) -> bool {
        self.joins && counts_bytes()
    }

    /// Whether the connection is closed; its subflows may end later.
    #[inline(always)]
    pub fn is_over(&self) -> bool {
        read::<u8>(self.connection, &SOCK_STATE) == CLOSE
    }

    /// It is the first one.
    #[inline(always)]
    pub fn begin(&self, destination: &DestinationKey) {
        // Where there is no room, further subflows count as contacts of their own.
        let _ = MULTIPATH.insert(&self.connection, destination, ANY);
    }
}

/// The connection at `sock` has ended.
#[inline(always)]
pub fn end(sock: u64) {
    // Most were never written down.
    let _ = MULTIPATH.remove(&sock);
}
