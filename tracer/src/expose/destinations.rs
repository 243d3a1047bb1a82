//! The family that tells what is known of each destination.

use std::borrow::Cow;

use super::value::sample;
use crate::model::{Destination, Facts, Row};

pub const NAME: &str = "tracer_destination_info";
pub const HELP: &str =
    "What is known of each destination of which anything is known; the value is always 1.";

/// The label `destination`.
pub fn text(destination: &Destination) -> Cow<'_, str> {
    match destination {
        Destination::Named { name, .. } => Cow::Borrowed(&**name),
        Destination::Address { address, .. } => Cow::Owned(address.to_canonical().to_string()),
        Destination::Other => Cow::Borrowed("~other"),
        Destination::Unknown => Cow::Borrowed(""),
    }
}

/// Writes what is known of the destination of a row.
pub fn write(out: &mut Vec<u8>, facts: &dyn Facts, row: &Row) {
    let Some(info) = facts.destination(row) else {
        return;
    };
    let asn = if info.asn == 0 {
        String::new()
    } else {
        info.asn.to_string()
    };
    let labels = [
        ("destination", &*text(&row.destination)),
        ("company", info.company),
        ("parent", info.parent),
        ("role", info.role),
        ("network", &*info.network),
        ("asn", &*asn),
        ("country", info.country.label()),
        ("data", &*info.data),
    ];
    sample(out, NAME, &labels, 1);
}
