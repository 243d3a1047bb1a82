//! Associations of SCTP: one contact each at both ends, with the bytes of the messages, or at the control group of the packets.

mod packets;
mod watched;

use std::fs;

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    network::{Network, start},
};
use serde_json::Value;
use watched::{Watched, wait_for_ends};

/// Where the server listens: each app has a port of its own, by which its packets are told from those of the others.
const LISTEN: [&str; 5] = [
    "10.77.0.2:7001",
    "[fd77::2]:7002",
    "10.77.0.2:7003",
    "[fd77::2]:7004",
    "10.77.0.2:7005",
];

/// Each app, and what it does. Nobody listens at the last two ports.
const PLAYS: &[(&str, &str, &str)] = &[
    (
        "one4",
        LISTEN[0],
        "--style one-to-one --times 20 --messages 3",
    ),
    (
        "one6",
        LISTEN[1],
        "--style one-to-one --times 20 --messages 3",
    ),
    (
        "many4",
        LISTEN[2],
        "--style one-to-many --times 20 --bytes 777",
    ),
    (
        "many6",
        LISTEN[3],
        "--style one-to-many --times 20 --bytes 777",
    ),
    (
        "large",
        LISTEN[4],
        "--style one-to-one --times 3 --messages 40 --bytes 20000",
    ),
    ("refused", "10.77.0.2:7009", "--style one-to-one --times 5"),
    ("nobody", "10.77.0.2:7010", "--style one-to-many --times 5"),
];

/// Connections, established, sent, received, refused: as the tracer counts them.
fn counted(metrics: &Metrics, labels: &[(&str, &str)]) -> [u64; 5] {
    let labels = [labels, &[("protocol", "sctp")]].concat();
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

fn has_sctp() -> bool {
    let is_there = fs::exists("/proc/net/sctp").expect("ask for SCTP");
    if !is_there {
        eprintln!("skipped: this kernel has no SCTP");
    }
    is_there
}

/// A server, ready, and whose sockets are of that style; it may have further arguments behind it.
fn serve(host: &Namespace, directory: &Directory, style: &str) -> Helper {
    let mut command = host.command(&directory.app("server"));
    command
        .args(["serve-associations", "--style"])
        .args(style.split(' '))
        .args(["--until-stdin-closes", "--listen"])
        .args(LISTEN);
    Helper::start(&mut command, "ready")
}

/// Runs an app to its end and returns its truth.
fn play(host: &Namespace, directory: &Directory, app: &str, to: &str, arguments: &str) -> Value {
    let mut command = host.command(&directory.app(app));
    command
        .args(["associations", "--to", to])
        .args(arguments.split(' '));
    let output = start(command).wait_with_output().expect("wait for it");
    assert!(output.status.success(), "{app}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("a line of truth")
}

#[test]
fn associations_are_counted_to_the_contact_and_to_the_byte_at_both_ends() {
    check_by_messages("one-to-many");
}

#[test]
fn associations_that_one_to_one_sockets_accept_are_counted_at_both_ends() {
    check_by_messages("one-to-one");
}

/// With kprobes the messages are counted, and both ends know them.
fn check_by_messages(style: &str) {
    if !crate::support::types_are_known() || !has_sctp() {
        return;
    }
    let (directory, network) = (Directory::new("sctp"), Network::new());
    // Where the kernel preempts its programs the tracer would take the control group.
    let tracer = Tracer::start(&["--hooks", "tracing"]);
    let server = serve(&network.server, &directory, style);
    let truths = PLAYS.iter().map(|(app, to, arguments)| {
        expected(&play(&network.client, &directory, app, to, arguments))
    });
    let truths: Vec<[u64; 5]> = truths.collect();
    let metrics = tracer.wait_for("every association has ended", |metrics| {
        metrics.sum("tracer_connections_open", &[("protocol", "sctp")]) == 0
    });
    let missed = metrics.sum("tracer_hook_missed_total", &[("signal", "associations")]);
    for ((app, ..), truth) in PLAYS.iter().zip(&truths) {
        let labels = [("app", *app), ("direction", "out")];
        let found = counted(&metrics, &labels);
        assert_eq!(
            &found, truth,
            "{app}; the kernel ran no hook {missed} times"
        );
    }
    let sum = |at: usize| truths.iter().map(|truth| truth[at]).sum::<u64>();
    let (established, sent, received) = (sum(1), sum(2), sum(3));
    let all = [established, established, received, sent, 0];
    let labels = [("app", "server"), ("direction", "in")];
    assert_eq!(counted(&metrics, &labels), all);
    assert_eq!(counted(&metrics, &[("app", "server")]), all);
    metrics.assert_nothing_lost();
    drop(server);
}

#[test]
fn at_the_control_group_associations_are_counted_to_the_contact_and_to_the_byte_of_their_packets() {
    if !has_sctp() {
        return;
    }
    let watched = Watched::new("one-to-many");
    for ((app, to, _), truth) in PLAYS.iter().zip(&watched.truths) {
        let [connections, ..] = expected(truth);
        let [sent, received] = watched.both_ways(to);
        // Counted as datagrams are: whatever answers establishes, be it that nobody listens.
        let wanted = [connections, connections, sent, received, 0];
        let place = [
            ("app", *app),
            ("direction", "out"),
            ("destination", truth["destination"].as_str().expect("one")),
            ("port", &truth["port"].to_string()),
        ];
        let found = counted(&watched.metrics, &place);
        assert_eq!(found, wanted, "{app}");
        let anywhere = counted(&watched.metrics, &[("app", app)]);
        assert_eq!(anywhere, found, "{app} elsewhere than at {to}");
    }
    // Whoever is named: that has a test of its own.
    assert_eq!(watched.found(&[("direction", "in")]), watched.accepted());
    watched.metrics.assert_nothing_lost();
}

#[test]
fn at_the_control_group_an_association_is_of_the_one_to_many_socket_that_accepts_it() {
    check_accepted("one-to-many");
}

#[test]
fn at_the_control_group_an_association_is_of_the_one_to_one_socket_that_accepts_it() {
    check_accepted("one-to-one");
}

#[test]
fn at_the_control_group_an_association_that_is_peeled_off_stays_one_contact() {
    check_accepted("one-to-many --peel-off");
}

fn check_accepted(style: &str) {
    if !has_sctp() {
        return;
    }
    let watched = Watched::new(style);
    let begun = [("app", "server"), ("direction", "out")];
    assert_eq!(counted(&watched.metrics, &begun), [0; 5], "it begins none");
    let accepted = [("app", "server"), ("direction", "in")];
    assert_eq!(watched.found(&accepted), watched.accepted());
}

#[test]
fn at_the_control_group_one_to_one_sockets_leave_their_table_at_their_end() {
    const TIMES: u64 = 200;
    if !has_sctp() {
        return;
    }
    let (directory, network) = (Directory::new("sctp"), Network::new());
    let tracer = Tracer::start(&["--hooks", "cgroup"]);
    let server = serve(&network.server, &directory, "one-to-many");
    let sockets = |metrics: &Metrics| metrics.sum("tracer_map_entries", &[("map", "sockets")]);
    let before = sockets(&tracer.metrics());
    let arguments = format!("--style one-to-one --times {TIMES}");
    let truth = play(&network.client, &directory, "one", LISTEN[0], &arguments);
    assert_eq!(truth["established"], TIMES);
    wait_for_ends(&network);
    let begun = [("app", "one"), ("direction", "out")];
    assert_eq!(counted(&tracer.metrics(), &begun)[0], TIMES);
    // A contact over datagrams is open until its socket is closed, and for two seconds more.
    tracer.wait_seconds_for(5, "no socket of these is in the table", |metrics| {
        sockets(metrics) == before && metrics.sum("tracer_connections_open", &begun) == 0
    });
    drop(server);
}
