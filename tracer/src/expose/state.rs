//! The small families of a snapshot: who the apps are, what was lost, and how the kernel side is.

use super::{
    format::{Format, Kind},
    names,
    value::sample,
};
use crate::model::{Identity, Snapshot};

pub const APP: &str = "tracer_app_info";
pub const APP_HELP: &str = "Each app that was seen; the value is always 1.";

/// Writes the series of one app; none where its place is vacant.
pub fn app(out: &mut Vec<u8>, identity: &Identity) {
    if identity.app.is_empty() {
        return;
    }
    let uid = identity.uid.to_string();
    let labels = [
        ("app", &*identity.app),
        ("user", &*identity.user),
        ("uid", &uid),
        ("kind", identity.kind.label()),
        ("version", &*identity.version),
    ];
    sample(out, APP, &labels, 1);
}

/// Writes everything whose size does not grow with the traffic.
pub fn write(out: &mut Vec<u8>, format: Format, snapshot: &Snapshot) {
    let name = "tracer_lost_total";
    format.describe(
        out,
        name,
        Kind::Counter,
        "Number of things that could not be seen or kept, by stage and reason.",
    );
    for loss in &snapshot.losses {
        sample(
            out,
            name,
            &[("stage", loss.stage), ("reason", loss.reason)],
            loss.count,
        );
    }

    let name = "tracer_unattributed_connections_total";
    format.describe(
        out,
        name,
        Kind::Counter,
        "Number of connections of which no app could be named, by reason.",
    );
    for (reason, count) in &snapshot.unattributed {
        sample(out, name, &[("reason", reason.label())], *count);
    }

    let name = "tracer_series_folded_total";
    format.describe(
        out,
        name,
        Kind::Counter,
        "Number of destinations folded into ~other.",
    );
    sample(out, name, &[], snapshot.folded);

    names::sources(out, format, snapshot);

    let name = "tracer_map_entries";
    format.describe(
        out,
        name,
        Kind::Gauge,
        "Number of entries in a map of the kernel side.",
    );
    for map in &snapshot.maps {
        sample(out, name, &[("map", map.map)], map.entries);
    }

    let name = "tracer_map_capacity";
    format.describe(
        out,
        name,
        Kind::Gauge,
        "Number of entries that a map of the kernel side has room for.",
    );
    for map in &snapshot.maps {
        sample(out, name, &[("map", map.map)], map.capacity);
    }

    let name = "tracer_map_bytes";
    format.describe(
        out,
        name,
        Kind::Gauge,
        "Number of bytes of the kernel's memory that a map of the kernel side takes.",
    );
    for (map, bytes) in &snapshot.tables {
        sample(out, name, &[("map", map)], *bytes);
    }

    let name = "tracer_hook_attached";
    format.describe(
        out,
        name,
        Kind::Gauge,
        "Whether the hook that serves a signal is attached, 1 or 0.",
    );
    for hook in &snapshot.hooks {
        sample(
            out,
            name,
            &[("signal", hook.signal), ("hook", hook.hook)],
            hook.attached.into(),
        );
    }

    let name = "tracer_hook_missed_total";
    format.describe(
        out,
        name,
        Kind::Counter,
        "Number of events at which the kernel did not run a hook, because it would have interrupted itself.",
    );
    for hook in &snapshot.hooks {
        sample(
            out,
            name,
            &[("signal", hook.signal), ("hook", hook.hook)],
            hook.missed,
        );
    }
}
