//! What the kernel side counts, in the nouns of the model. Total: any bytes give an answer.

use std::net::{IpAddr, Ipv6Addr};

use tracer_common::{
    Address, Counts, DestinationKey, Record,
    map::{DIRECTION_IN, PROTOCOL_ICMP, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP},
    record::{self, ESTABLISHED, NO_CONTACT},
};

use crate::model::{Destination, Direction, Protocol, Totals};

/// Whom a key means.
pub fn destination(key: &DestinationKey) -> Destination {
    if key.overflow != 0 {
        return Destination::Other;
    }
    // No IP packet is sent to `::`: the kernel takes it for the machine itself.
    if key.address == Address::ANY && key.protocol == PROTOCOL_RAW {
        return Destination::Unknown;
    }
    Destination::Address {
        address: ip(key.address),
        port: key.port,
    }
}

/// IPv4 as IPv4.
pub fn ip(address: Address) -> IpAddr {
    Ipv6Addr::from(address.octets()).to_canonical()
}

/// Which way a key's contacts went.
pub fn direction(key: &DestinationKey) -> Direction {
    if key.direction == DIRECTION_IN {
        Direction::In
    } else {
        Direction::Out
    }
}

/// The protocol of a key.
pub fn protocol(key: &DestinationKey) -> Protocol {
    match key.protocol {
        PROTOCOL_TCP => Protocol::Tcp,
        PROTOCOL_UDP => Protocol::Udp,
        PROTOCOL_SCTP => Protocol::Sctp,
        PROTOCOL_ICMP => Protocol::Icmp,
        _ => Protocol::Raw,
    }
}

/// The numbers of a counter.
pub fn totals(counts: &Counts) -> Totals {
    Totals {
        connections: counts.connections,
        established: counts.established,
        failed: counts.failed,
        open: 0,
        sent: counts.sent,
        received: counts.received,
    }
}

/// The numbers of a contact that has ended.
pub fn ended(record: &Record) -> Totals {
    let mut totals = Totals {
        sent: record.sent,
        received: record.received,
        ..Totals::default()
    };
    if record.flags & NO_CONTACT == 0 {
        totals.connections = 1;
        totals.established = u64::from(record.outcome == ESTABLISHED);
        if let Some(reason) = record::reason(record.outcome) {
            totals.failed[reason] = 1;
        }
    }
    totals
}

/// The numbers of one that lives, in the form of a record.
pub fn live(record: &Record, is_open: bool) -> Totals {
    Totals {
        open: u64::from(is_open),
        ..ended(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        let address: std::net::IpAddr = address.parse().expect("an address");
        let bytes = match address {
            std::net::IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            std::net::IpAddr::V6(address) => address.octets(),
        };
        let key = DestinationKey {
            address: tracer_common::Address::of_octets(bytes),
            port: 443,
            protocol: PROTOCOL_TCP,
            ..DestinationKey::default()
        };
        let expected = Destination::Address {
            address: expected.parse().expect("an address"),
            port: 443,
        };
        assert_eq!(destination(&key), expected);
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        check("192.0.2.1", "192.0.2.1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("2001:db8::1", "2001:db8::1");
        check("::1", "::1");
        check("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.1");
    }

    #[test]
    fn an_ended_contact_is_established_or_failed_or_neither() {
        let record = |outcome, flags| Record {
            outcome,
            flags,
            sent: 7,
            ..Record::default()
        };
        let check = |outcome, flags, expected: [u64; 3]| {
            let totals = ended(&record(outcome, flags));
            let failed = totals.failed.iter().sum::<u64>();
            assert_eq!([totals.connections, totals.established, failed], expected);
            assert_eq!((totals.sent, totals.open), (7, 0));
        };
        check(record::UNKNOWN, 0, [1, 0, 0]);
        check(ESTABLISHED, 0, [1, 1, 0]);
        check(record::FAILED + 3, 0, [1, 0, 1]);
        check(u16::MAX, 0, [1, 0, 0]);
        check(ESTABLISHED, NO_CONTACT, [0, 0, 0]);
    }

    #[test]
    fn a_frame_that_is_not_ip_is_for_nobody_known() {
        let key = DestinationKey {
            protocol: PROTOCOL_RAW,
            ..DestinationKey::default()
        };
        assert_eq!(destination(&key), Destination::Unknown);
    }

    #[test]
    fn an_overflow_entry_is_other() {
        let key = DestinationKey {
            overflow: 1,
            ..DestinationKey::default()
        };
        assert_eq!(destination(&key), Destination::Other);
    }
}
