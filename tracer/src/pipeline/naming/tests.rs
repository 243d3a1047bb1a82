//! Names are told of contacts that began here, over each protocol.

use tracer_common::map::{DIRECTION_IN, PROTOCOL_ICMP, PROTOCOL_RAW, PROTOCOL_SCTP, PROTOCOL_UDP};

use super::*;

#[test]
fn names_are_told_of_contacts_over_each_protocol_that_began_here() {
    let names = NamesOfContacts::new(true);
    let check = |protocol, direction, flags, expected| {
        let mut record = Record {
            flags,
            ..Record::default()
        };
        record.destination.protocol = protocol;
        record.destination.direction = direction;
        assert_eq!(names.concerns(&record), expected, "protocol {protocol}");
    };
    for protocol in [
        PROTOCOL_TCP,
        PROTOCOL_UDP,
        PROTOCOL_ICMP,
        PROTOCOL_RAW,
        PROTOCOL_SCTP,
    ] {
        check(protocol, DIRECTION_OUT, 0, true);
        check(protocol, DIRECTION_IN, 0, false);
        check(protocol, DIRECTION_OUT, NO_CONTACT, false);
    }
}
