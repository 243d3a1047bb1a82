//! What does a QUIC client say first? The ClientHello in its Initial packets, which anybody can decrypt who sees the first one:
//! the keys derive from the connection id that the client chose (RFC 9000, 9001; version 2: RFC 9369).
//!
//! A packet may be under keys of an earlier one: the server gives the client another id to send to, but the keys stay; only a
//! Retry changes both. So the packet's own id is tried, then those before it, and the tag of the AEAD decides.

mod frames;
mod header;
mod keys;

use super::{
    hello::{self, Hello},
    progress::Progress,
    stream::Beginning,
};
use header::{Kind, Packet};
use keys::Keys;

#[cfg(test)]
#[path = "quic/made.rs"]
pub mod made;
#[cfg(test)]
#[path = "quic/tests.rs"]
mod tests;

/// Most connections whose beginnings are kept: one that a Retry began anew is two, and one socket may have several to one
/// server. Where there are more, the oldest goes.
const MOST_CONNECTIONS: usize = 4;
/// Most packets of one datagram that are looked at. Clients coalesce three: Initial, 0-RTT, Handshake.
const MOST_PACKETS: usize = 8;
/// Most datagrams until the hello must be there. The largest takes two, each perhaps sent some times.
const MOST_DATAGRAMS: u32 = 64;
/// Fewest bytes of a datagram with an Initial of a client (RFC 9000 section 14.1).
const LEAST_DATAGRAM: usize = 1_200;

/// What a client said so far in the Initials of one flow. Holds at most 70 KB, which takes four hellos in pieces of the largest
/// kind; of usual ones 4 KB.
#[derive(Debug, Default)]
pub struct Initials {
    /// The latest last.
    connections: Vec<Connection>,
    datagrams: u32,
}

/// A connection by the id from which its keys derive.
#[derive(Debug)]
struct Connection {
    destination: Vec<u8>,
    /// The number behind the largest that was seen.
    next: u64,
    crypto: Beginning,
}

/// Whether a UDP payload may begin with an Initial of a client: a long header with the fixed bit, of version 1 or 2. Those
/// of servers look the same.
pub fn is_initial(bytes: &[u8]) -> bool {
    header::first(bytes)
        .is_some_and(|(packet, _)| packet.kind == Kind::Initial && packet.has_fixed_bit())
}

impl Initials {
    /// Takes a UDP payload that the client sent. Once the hello is there, its packets give it again.
    ///
    /// Of another version, nothing can be read, but a server may ask for one that can; a datagram of a size that begins a
    /// connection decides nothing then.
    pub fn datagram(&mut self, bytes: &[u8]) -> Progress<Hello> {
        self.datagrams = self.datagrams.saturating_add(1);
        let mut rest = bytes;
        let mut may_begin = false;
        for _ in 0..MOST_PACKETS {
            let Some((packet, behind)) = header::first(rest) else {
                break;
            };
            rest = behind;
            may_begin |= packet.kind != Kind::Unknown || bytes.len() >= LEAST_DATAGRAM;
            if packet.kind != Kind::Initial {
                continue;
            }
            match self.packet(&packet) {
                Progress::Incomplete => {}
                Progress::Not if !self.connections.is_empty() => {}
                decided => return decided,
            }
        }
        let may_follow = may_begin || !self.connections.is_empty();
        if may_follow && self.datagrams < MOST_DATAGRAMS {
            Progress::Incomplete
        } else {
            Progress::Not
        }
    }

    /// Takes an Initial. One that cannot be opened tells nothing.
    fn packet(&mut self, packet: &Packet<'_>) -> Progress<Hello> {
        let Some((index, payload)) = self.open(packet) else {
            return Progress::Incomplete;
        };
        let crypto = &mut self.connections[index].crypto;
        frames::crypto(&payload, |offset, bytes| crypto.insert(offset, bytes));
        let progress = hello::message(crypto.bytes());
        if progress == Progress::Not {
            self.connections.remove(index);
        }
        progress
    }

    /// Whose packet it is, and what is in it.
    fn open(&mut self, packet: &Packet<'_>) -> Option<(usize, Vec<u8>)> {
        let open = |destination: &[u8], next| {
            Keys::of_client(packet.version, destination).open(packet, next)
        };
        let own = |connection: &Connection| connection.destination == packet.destination;
        let own = self.connections.iter().position(own);
        if own.is_none()
            && let Some((number, payload)) = open(packet.destination, 0)
        {
            if self.connections.len() == MOST_CONNECTIONS {
                self.connections.remove(0);
            }
            self.connections.push(Connection {
                destination: packet.destination.to_vec(),
                next: number.saturating_add(1),
                crypto: Beginning::new(hello::LONGEST),
            });
            return Some((self.connections.len() - 1, payload));
        }
        let others = (0..self.connections.len()).rev();
        own.into_iter()
            .chain(others.filter(|index| Some(*index) != own))
            .find_map(|index| {
                let connection = &mut self.connections[index];
                let (number, payload) = open(&connection.destination, connection.next)?;
                connection.next = connection.next.max(number.saturating_add(1));
                Some((index, payload))
            })
    }
}
