//! What the generator says it did, and what the tracer says of it.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Metrics, network::start};

/// Runs the generator to its end, which must be good, and returns its lines.
pub fn lines(command: Command) -> Vec<Value> {
    let said = format!("{command:?}");
    let output = start(command)
        .wait_with_output()
        .expect("wait for the generator");
    assert!(
        output.status.success(),
        "{said} ended with {}",
        output.status
    );
    parse(std::str::from_utf8(&output.stdout).expect("text").lines())
}

/// Lines of truth, from wherever they come.
pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    lines
        .into_iter()
        .map(|line| serde_json::from_str(line).expect("a line of truth"))
        .collect()
}

/// Sum of a number over lines; a line without it has none of it.
pub fn sum(lines: &[Value], name: &str) -> u64 {
    lines.iter().filter_map(|line| line[name].as_u64()).sum()
}

/// Contacts, of them established, bytes sent and received.
pub type Counts = [u64; 4];

pub fn told(lines: &[Value]) -> Counts {
    ["connections", "established", "sent", "received"].map(|name| sum(lines, name))
}

/// The same as a server tells it: it establishes what it accepts.
pub fn told_by_server(lines: &[Value]) -> Counts {
    ["accepted", "accepted", "sent", "received"].map(|name| sum(lines, name))
}

/// The families of the four.
const FAMILIES: [&str; 4] = [
    "tracer_connections_total",
    "tracer_connections_established_total",
    "tracer_sent_bytes_total",
    "tracer_received_bytes_total",
];

pub fn counted(metrics: &Metrics, labels: &[(&str, &str)]) -> Counts {
    FAMILIES.map(|family| metrics.sum(family, labels))
}

/// What differs between these and what the tracer counted.
pub fn differences(metrics: &Metrics, labels: &[(&str, &str)], expected: Counts) -> Vec<String> {
    differences_of_datagrams(metrics, labels, expected, 0)
}

/// The same of datagrams, of which a call hands over so many bytes.
pub fn differences_of_datagrams(
    metrics: &Metrics,
    labels: &[(&str, &str)],
    expected: Counts,
    of_a_call: u64,
) -> Vec<String> {
    let differ =
        |(family, expected)| metrics.difference_of_datagrams(family, labels, expected, of_a_call);
    FAMILIES
        .into_iter()
        .zip(expected)
        .filter_map(differ)
        .collect()
}

/// Fails where the tracer counted anything else.
pub fn check(metrics: &Metrics, labels: &[(&str, &str)], expected: Counts) {
    let differences = differences(metrics, labels, expected);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Whether each contact of these has ended: established ones closed, the others failed. An end that the kernel hid is never seen.
pub fn is_over(metrics: &Metrics, labels: &[(&str, &str)]) -> bool {
    let [connections, established, ..] = counted(metrics, labels);
    let failed = metrics.sum("tracer_connections_failed_total", labels);
    let hidden = metrics.hidden(labels);
    metrics.sum("tracer_connections_open", labels) <= hidden
        && connections.saturating_sub(established + failed) <= hidden
}

/// Whether so many contacts of these have begun, and each has ended: of a program that is new the first ones may not be shown yet.
pub fn are_over(metrics: &Metrics, labels: &[(&str, &str)], connections: u64) -> bool {
    counted(metrics, labels)[0] >= connections && is_over(metrics, labels)
}

/// A program that keeps a processor busy, ended with the value.
pub struct Busy(std::process::Child);

impl Busy {
    pub fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .expect("start a busy loop");
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
