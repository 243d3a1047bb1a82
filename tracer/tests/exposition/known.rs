//! What is known of the destinations of a snapshot.

use tracer::model::{Contact, Country, Destination, DestinationInfo, Fact, Facts, Row, Snapshot};

use super::{Add, HOSTILE};

/// Something is known of one name and of one address.
#[derive(Debug)]
pub struct Known;

impl Facts for Known {
    fn destination(&self, row: &Row) -> Option<DestinationInfo> {
        match &row.destination {
            Destination::Named { name, .. } if **name == *HOSTILE => Some(DestinationInfo {
                company: "Example",
                role: "ad",
                data: "2026-11-23".to_owned(),
                ..DestinationInfo::default()
            }),
            Destination::Address { port: 443, .. } => Some(DestinationInfo {
                network: HOSTILE.to_owned(),
                asn: 64_496,
                country: Country::new(*b"NL"),
                data: "2026-11-23 network 2026-11-24".to_owned(),
                ..DestinationInfo::default()
            }),
            Destination::Other => Some(DestinationInfo {
                company: row.company,
                parent: "Example Holding",
                data: "2026-11-23".to_owned(),
                ..DestinationInfo::default()
            }),
            _ => None,
        }
    }

    fn contact(&self, _: &Contact) -> Vec<Fact> {
        Vec::new()
    }

    fn country(&self, _: &Contact) -> Country {
        Country::default()
    }
}

/// What is to be read of them.
pub fn destinations(snapshot: &Snapshot, add: Add) {
    // Once each, although two rows have the first one.
    let known = [
        [HOSTILE, "Example", "", "ad", "", "", "", "2026-11-23"],
        [
            "~other",
            "Example",
            "Example Holding",
            "",
            "",
            "",
            "",
            "2026-11-23",
        ],
        [
            "192.0.2.1",
            "",
            "",
            "",
            HOSTILE,
            "64496",
            "NL",
            "2026-11-23 network 2026-11-24",
        ],
    ];
    let count = if snapshot.facts.is_some() { 3 } else { 0 };
    for [
        destination,
        company,
        parent,
        role,
        network,
        asn,
        country,
        data,
    ] in known.into_iter().take(count)
    {
        let labels = [
            ("destination", destination),
            ("company", company),
            ("parent", parent),
            ("role", role),
            ("network", network),
            ("asn", asn),
            ("country", country),
            ("data", data),
        ];
        add("tracer_destination_info", &labels, "1".to_owned());
    }
}
