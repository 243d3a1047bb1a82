//! Associations of SCTP: one contact each, with the bytes of the messages, at both ends.

use std::fs;

use crate::support::{
    Directory, Helper, Metrics, Tracer,
    network::{Network, start},
};
use serde_json::Value;

const V4: &str = "10.77.0.2:7000";
const V6: &str = "[fd77::2]:7000";
/// Nobody listens there.
const CLOSED: &str = "10.77.0.2:7009";

/// Each app, and what it does.
const PLAYS: &[(&str, &str, &str)] = &[
    ("one4", V4, "--style one-to-one --times 20 --messages 3"),
    ("one6", V6, "--style one-to-one --times 20 --messages 3"),
    ("many4", V4, "--style one-to-many --times 20 --bytes 777"),
    ("many6", V6, "--style one-to-many --times 20 --bytes 777"),
    (
        "large",
        V4,
        "--style one-to-one --times 3 --messages 40 --bytes 20000",
    ),
    ("refused", CLOSED, "--style one-to-one --times 5"),
    ("nobody", CLOSED, "--style one-to-many --times 5"),
];

/// Connections, established, sent, received, refused: as the tracer counts them.
fn counted(metrics: &Metrics, app: &str, direction: &str) -> [u64; 5] {
    let labels = [("app", app), ("direction", direction), ("protocol", "sctp")];
    let refused = [labels.as_slice(), &[("reason", "refused")]].concat();
    [
        metrics.sum("tracer_connections_total", &labels),
        metrics.sum("tracer_connections_established_total", &labels),
        metrics.sum("tracer_sent_bytes_total", &labels),
        metrics.sum("tracer_received_bytes_total", &labels),
        metrics.sum("tracer_connections_failed_total", &refused),
    ]
}

/// The same as the generator says. It counts a connect that was refused as failed, and not as a connection.
fn expected(truth: &Value) -> [u64; 5] {
    let number = |name: &str| truth[name].as_u64().expect("a count");
    let refused = truth["failed"]["refused"].as_u64().unwrap_or(0);
    [
        number("established") + refused,
        number("established"),
        number("sent"),
        number("received"),
        refused,
    ]
}

#[test]
fn associations_are_counted_to_the_contact_and_to_the_byte_at_both_ends() {
    if !crate::support::types_are_known() {
        return;
    }
    if !fs::exists("/proc/net/sctp").expect("ask for SCTP") {
        eprintln!("skipped: this kernel has no SCTP");
        return;
    }
    let (directory, network) = (Directory::new("sctp"), Network::new());
    let tracer = Tracer::start(&[]);
    let mut command = network.server.command(&directory.app("server"));
    command
        .args(["serve-associations", "--style", "one-to-many"])
        .args(["--until-stdin-closes", "--listen", V4, V6]);
    let server = Helper::start(&mut command, "ready");
    let truths = PLAYS.iter().map(|(app, to, arguments)| {
        let mut command = network.client.command(&directory.app(app));
        command
            .args(["associations", "--to", to])
            .args(arguments.split(' '));
        let output = start(command).wait_with_output().expect("wait for it");
        assert!(output.status.success(), "{app}: {}", output.status);
        serde_json::from_slice::<Value>(&output.stdout).expect("a line of truth")
    });
    let truths: Vec<[u64; 5]> = truths.map(|truth| expected(&truth)).collect();
    let metrics = tracer.wait_for("every association has ended", |metrics| {
        metrics.sum("tracer_connections_open", &[("protocol", "sctp")]) == 0
    });
    for ((app, ..), truth) in PLAYS.iter().zip(&truths) {
        assert_eq!(&counted(&metrics, app, "out"), truth, "{app}");
    }
    let sum = |at: usize| truths.iter().map(|truth| truth[at]).sum::<u64>();
    let (established, sent, received) = (sum(1), sum(2), sum(3));
    assert_eq!(
        counted(&metrics, "server", "in"),
        [established, established, received, sent, 0]
    );
    metrics.assert_nothing_lost();
    drop(server);
}
