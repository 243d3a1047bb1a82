//! Which tables of addresses are fetched, under which names do they lie here, and who publishes them?

use crate::enrich::mmdb::Kind;

/// Where the publisher has the tables: the files of a release of which there is only the latest, made anew each day.
const TABLES: &str = "https://github.com/sapics/ip-location-db/releases/download/latest/";
/// Where the same publisher has their sums, a file each, in the form of `sha256sum`.
const SUMS: &str = "https://github.com/sapics/ip-location-db/releases/download/checksum/";

/// The licence under which the publisher gives both away: the public domain.
pub const LICENCE: &str = "PDDL-1.0";

/// Where the publisher has a table.
pub fn published(kind: Kind) -> String {
    format!("{TABLES}{}", kind.file_name())
}

/// Where the publisher has its sum.
pub fn published_sum(kind: Kind) -> String {
    format!("{SUMS}{}.sha256", kind.file_name())
}

/// The kind that a user names.
pub fn kind(text: &str) -> Result<Kind, String> {
    let named = Kind::ALL.into_iter().find(|kind| kind.label() == text);
    named.ok_or_else(|| format!("it is neither {}", Kind::ALL.map(Kind::label).join(" nor ")))
}
