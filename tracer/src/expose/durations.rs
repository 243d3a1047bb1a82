//! The two families of histograms.

use super::value::{bound, float, integer, pairs};
use crate::model::{DURATION_BOUNDS, Durations};

pub const CONNECT: &str = "tracer_connect_duration_seconds";
pub const CONNECT_HELP: &str =
    "Time from the first packet of a connection to its being established, in seconds.";
pub const CONNECTION: &str = "tracer_connection_duration_seconds";
pub const CONNECTION_HELP: &str =
    "Time from a connection's being established to its end, in seconds.";

/// Writes the series of one histogram.
pub fn write(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], durations: &Durations) {
    let buckets = DURATION_BOUNDS
        .into_iter()
        .chain([f64::INFINITY])
        .zip(durations.buckets);
    let mut cumulative = 0;
    for (upper, count) in buckets {
        cumulative += count;
        bucket(out, name, labels, upper, cumulative);
    }
    summary(out, name, labels, durations.sum, cumulative);
}

/// Writes one bucket; `count` includes those of the buckets below.
pub fn bucket(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], upper: f64, count: u64) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"_bucket{");
    pairs(out, labels);
    if !labels.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(b"le=\"");
    bound(out, upper);
    out.extend_from_slice(b"\"} ");
    integer(out, count);
    out.push(b'\n');
}

/// Writes the sum and the count of a histogram.
pub fn summary(out: &mut Vec<u8>, name: &str, labels: &[(&str, &str)], sum: f64, count: u64) {
    for suffix in ["_sum", "_count"] {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        if !labels.is_empty() {
            out.push(b'{');
            pairs(out, labels);
            out.push(b'}');
        }
        out.push(b' ');
        if suffix == "_sum" {
            float(out, sum);
        } else {
            integer(out, count);
        }
        out.push(b'\n');
    }
}
