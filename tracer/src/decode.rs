//! What the kernel side counts, in the nouns of the model. Total: any bytes give an answer.

use std::net::Ipv6Addr;

use tracer_common::{
    Address, Counts, DestinationKey,
    map::{DIRECTION_IN, PROTOCOL_ICMP, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP},
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
        address: Ipv6Addr::from(key.address.octets()).to_canonical(),
        port: key.port,
    }
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

/// The numbers of ended and attempted connections. Those of open ones are not in them.
pub fn totals(counts: &Counts) -> Totals {
    Totals {
        connections: counts.connections,
        established: counts.established,
        failed: counts.failed.map(u64::from),
        open: 0,
        sent: counts.sent,
        received: counts.received,
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
