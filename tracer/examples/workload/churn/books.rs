//! What the contacts of a churn were: a truth for each place, at both ends.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;

use super::Protocol;
use crate::truth::Truth;

/// Whether this end has begun a contact or accepted it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Out,
    In,
}

/// For contacts accepted the place is the remote's address, which is this machine's own, and the local port.
#[derive(Default)]
pub struct Books(BTreeMap<(Protocol, Direction, SocketAddr), Truth>);

impl Books {
    pub fn of(
        &mut self,
        protocol: Protocol,
        direction: Direction,
        place: SocketAddr,
    ) -> &mut Truth {
        self.0.entry((protocol, direction, place)).or_default()
    }

    /// Payload that one end has sent and the other has taken.
    pub fn pass(&mut self, protocol: Protocol, from: Direction, place: SocketAddr, bytes: usize) {
        let to = match from {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
        };
        self.of(protocol, from, place).sent += bytes as u64;
        self.of(protocol, to, place).received += bytes as u64;
    }

    /// A line for each place.
    pub fn print(&self) {
        for ((protocol, direction, place), truth) in &self.0 {
            let protocol = match protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
                Protocol::Sctp => "sctp",
            };
            let direction = match direction {
                Direction::Out => "out",
                Direction::In => "in",
            };
            truth.print_with(
                *place,
                json!({"protocol": protocol, "direction": direction}),
            );
        }
    }
}
