//! The families about names: which were asked for, how destinations got theirs, and which contacts have none yet.

use super::{
    format::{Format, Kind},
    value::sample,
};
use crate::model::{Bypasses, Direction, Identity, Lookups, NameSource, Protocol, Snapshot};

pub const LOOKUPS: &str = "tracer_lookups_total";
pub const LOOKUPS_HELP: &str = "Number of times an app asked for a name.";

pub const BYPASSES: &str = "tracer_resolver_bypass_total";
pub const BYPASSES_HELP: &str =
    "Number of connections that came past the device's own resolver, by how that is known.";

pub const UNDECIDED: &str = "tracer_connections_undecided";
pub const UNDECIDED_HELP: &str =
    "Number of connections begun that are in no other family yet, as their name is not decided.";

const SOURCES: &str = "tracer_name_source_total";

/// Writes how often one app asked for one name.
pub fn lookups(out: &mut Vec<u8>, identities: &[Identity], lookups: &Lookups) {
    let (app, user) = named(identities, lookups.identity);
    let labels = [
        ("app", app),
        ("user", user),
        ("destination", &*lookups.name),
        ("via", lookups.via.label()),
    ];
    sample(out, LOOKUPS, &labels, lookups.count);
}

/// Writes how often one app came past the resolver in one way.
pub fn bypasses(out: &mut Vec<u8>, identities: &[Identity], bypasses: &Bypasses) {
    let (app, user) = named(identities, bypasses.identity);
    let labels = [
        ("app", app),
        ("user", user),
        ("kind", bypasses.kind.label()),
    ];
    sample(out, BYPASSES, &labels, bypasses.count);
}

/// Writes how many contacts of one app are not decided.
pub fn undecided(
    out: &mut Vec<u8>,
    identities: &[Identity],
    (identity, protocol, count): &(u32, Protocol, u64),
) {
    let (app, user) = named(identities, *identity);
    let labels = [
        ("app", app),
        ("user", user),
        ("direction", Direction::Out.label()),
        ("protocol", protocol.label()),
    ];
    sample(out, UNDECIDED, &labels, *count);
}

/// Writes how many ended contacts got their names from each source.
pub fn sources(out: &mut Vec<u8>, format: Format, snapshot: &Snapshot) {
    format.describe(
        out,
        SOURCES,
        Kind::Counter,
        "Number of ended connections begun here, by how the name of their destination is known.",
    );
    let labels = NameSource::ALL.map(NameSource::label);
    let labels = labels.into_iter().chain(["none"]);
    for (source, count) in labels.zip(snapshot.name_sources) {
        sample(out, SOURCES, &[("source", source)], count);
    }
}

fn named(identities: &[Identity], identity: u32) -> (&str, &str) {
    identities
        .get(identity as usize)
        .map_or(("", ""), |identity| (&*identity.app, &*identity.user))
}
