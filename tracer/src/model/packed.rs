//! The numbers of an ended contact, in as little room as they take: ten thousand are kept.

use std::net::{IpAddr, Ipv6Addr};

use super::{Bypass, Contact, Direction, Endpoint, Outcome, Protocol};

/// What a contact shares with no other one. What it may share stands beside it, in tables of its block, and is found by the two
/// indices.
///
/// `Option` would double each number: all are kept bare, and one bit each says whether it is known. No number stands for
/// "unknown", so none is taken for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    id: u64,
    began: u64,
    established: u64,
    ended: u64,
    sent: u64,
    received: u64,
    remote: Ipv6Addr,
    local_port: u16,
    remote_port: u16,
    known: Known,
    pub who: u16,
    pub whom: u16,
    outcome: Outcome,
    direction: Direction,
    protocol: Protocol,
}

/// What an entry takes, in bytes.
pub(super) const BYTES: usize = size_of::<Packed>();

/// Which numbers are known, one bit each.
#[derive(Clone, Copy, Debug, Default)]
struct Known(u16);

const BEGAN: u16 = 1;
const ESTABLISHED: u16 = 1 << 1;
const ENDED: u16 = 1 << 2;
const SENT: u16 = 1 << 3;
const RECEIVED: u16 = 1 << 4;
const LOCAL_PORT: u16 = 1 << 5;
const REMOTE_PORT: u16 = 1 << 6;
const REMOTE: u16 = 1 << 7;
/// The remote is an IPv4 address, not the IPv6 address that is written like it.
const REMOTE_V4: u16 = 1 << 8;
/// From here on, three bits: 0, or the place in [`Bypass::ALL`] and 1.
const BYPASS: u16 = 9;

impl Known {
    /// The bare number, and noted that it is known where it is.
    fn bare<T: Default>(&mut self, bit: u16, number: Option<T>) -> T {
        if number.is_some() {
            self.0 |= bit;
        }
        number.unwrap_or_default()
    }

    fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }

    fn bypass(self) -> Option<Bypass> {
        let place = usize::from(self.0 >> BYPASS & 7).checked_sub(1)?;
        Bypass::ALL.get(place).copied()
    }

    fn number<T>(self, bit: u16, bare: T) -> Option<T> {
        self.has(bit).then_some(bare)
    }
}

impl Packed {
    /// The numbers of `contact`, whose rows in the tables have these indices.
    pub fn new(contact: &Contact, who: u16, whom: u16) -> Self {
        let mut known = Known::default();
        if let Some(bypass) = contact.bypass {
            known.0 |= (bypass as u16 + 1) << BYPASS;
        }
        let remote = contact.remote.address.map_or(Ipv6Addr::UNSPECIFIED, |ip| {
            known.0 |= REMOTE;
            match ip {
                IpAddr::V4(ip) => {
                    known.0 |= REMOTE_V4;
                    ip.to_ipv6_mapped()
                }
                IpAddr::V6(ip) => ip,
            }
        });
        Self {
            id: contact.id,
            began: known.bare(BEGAN, contact.began),
            established: known.bare(ESTABLISHED, contact.established),
            ended: known.bare(ENDED, contact.ended),
            sent: known.bare(SENT, contact.sent),
            received: known.bare(RECEIVED, contact.received),
            remote,
            local_port: known.bare(LOCAL_PORT, contact.local.port),
            remote_port: known.bare(REMOTE_PORT, contact.remote.port),
            known,
            who,
            whom,
            outcome: contact.outcome,
            direction: contact.direction,
            protocol: contact.protocol,
        }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn began(&self) -> Option<u64> {
        self.known.number(BEGAN, self.began)
    }

    /// The contact, without what stands in the tables.
    pub fn numbers(&self) -> Contact {
        let known = self.known;
        Contact {
            local: Endpoint {
                address: None,
                port: known.number(LOCAL_PORT, self.local_port),
            },
            remote: Endpoint {
                address: known.number(REMOTE, self.remote()),
                port: known.number(REMOTE_PORT, self.remote_port),
            },
            bypass: known.bypass(),
            began: self.began(),
            established: known.number(ESTABLISHED, self.established),
            ended: known.number(ENDED, self.ended),
            outcome: self.outcome,
            sent: known.number(SENT, self.sent),
            received: known.number(RECEIVED, self.received),
            ..Contact::new(self.id, self.direction, self.protocol)
        }
    }

    fn remote(&self) -> IpAddr {
        let ipv4 = self
            .known
            .has(REMOTE_V4)
            .then(|| self.remote.to_ipv4_mapped());
        ipv4.flatten().map_or(self.remote.into(), IpAddr::V4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_eighty_bytes() {
        assert_eq!(BYTES, 80);
        assert!(size_of::<Contact>() > 2 * BYTES);
    }

    #[test]
    fn each_way_past_the_resolver_is_kept_beside_all_that_is_known() {
        let all = Bypass::ALL.map(Some).into_iter().chain([None]);
        for bypass in all {
            for sent in [None, Some(7)] {
                let contact = Contact {
                    bypass,
                    sent,
                    ..Contact::new(1, Direction::Out, Protocol::Tcp)
                };
                assert_eq!(Packed::new(&contact, 0, 0).numbers(), contact);
            }
        }
    }
}
