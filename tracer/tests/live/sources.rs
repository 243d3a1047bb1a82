//! A scan from many addresses against one server: its memory and its series stay bounded, its totals exact.

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    truth::{self, Counts},
};

const LOCAL: &str = "127.0.0.1:7001";
const BYTES: u64 = 10;
/// What the tracer may grow by, in its own memory: for what a reading of both full tables takes, once.
const GROWTH: u64 = 32 << 20;

/// How many addresses come: natively more than an app has rows for, by far.
fn sources() -> u64 {
    if crate::support::is_virtual() {
        5_000
    } else {
        100_000
    }
}

/// The tracer, and what it was before the scan.
struct Watch {
    tracer: Tracer,
    resident: u64,
    /// Programs that there were, this test among them.
    programs: u64,
}

impl Watch {
    fn start() -> Self {
        let tracer = Tracer::start(&[]);
        let programs = programs(&tracer.metrics());
        Self {
            resident: tracer.resident(),
            programs,
            tracer,
        }
    }

    /// What it says of the accepted contacts of an app, after it has been held to its bounds.
    fn accepted(&self, app: &str) -> (Metrics, Counts) {
        let accepted = [("app", app), ("direction", "in")];
        let metrics = self.tracer.metrics();
        let rows = metrics.series("tracer_connections_total", &accepted);
        assert_eq!(rows.count(), 501, "500 addresses and the rest");
        let grown = self.tracer.resident().saturating_sub(self.resident);
        assert!(grown < GROWTH, "it grew by {grown} bytes");
        let counts = truth::counted(&metrics, &accepted);
        (metrics, counts)
    }

    /// Waits until the kernel side has forgotten who was scanned, which costs no total.
    fn forgotten(&self, app: &str, counts: Counts) {
        let metrics = self.tracer.wait_for("the scan is forgotten", |metrics| {
            let flows = metrics.sum("tracer_map_entries", &[("map", "flows")]);
            programs(metrics) <= self.programs && flows <= 10
        });
        let accepted = [("app", app), ("direction", "in")];
        assert_eq!(truth::counted(&metrics, &accepted), counts);
    }
}

fn programs(metrics: &Metrics) -> u64 {
    metrics.sum("tracer_map_entries", &[("map", "processes")])
}

/// Datagrams from `rounds` times as many addresses as the server has room to keep unread.
fn datagrams(rounds: u64, bind: bool) {
    let (directory, host) = (Directory::new("sources"), Namespace::new("tq"));
    let watch = Watch::start();
    let mut command = host.command(&directory.app("scanned"));
    command.args(["serve-datagrams", "--until-stdin-closes", "--listen", LOCAL]);
    let server = Helper::start(&mut command, "ready");
    let mut told = Vec::new();
    for round in 1..=rounds {
        let mut command = host.command(&directory.app("scanner"));
        command.args(["flood-in", "--to", LOCAL, "--bytes", &BYTES.to_string()]);
        command.args(["--sources", &sources().to_string()]);
        command.args(["--from", &format!("127.{}.0.0", 10 * round)]);
        if bind {
            command.arg("--bind");
        }
        told.extend(truth::lines(command));
    }
    let all = rounds * sources();
    let (metrics, counts) = watch.accepted("scanned");
    assert_eq!(counts, [all, 0, 0, all * BYTES]);
    // A socket for each address, or one a round.
    let begun = if bind { all } else { rounds };
    assert_eq!(truth::told(&told), [begun, 0, all * BYTES, 0]);
    let mut scanner = truth::counted(&metrics, &[("app", "scanner")]);
    let full = metrics.sum("tracer_lost_total", &[("reason", "flows_full")]);
    if full > 0 {
        // A datagram whose flow found no room is a contact by itself, at either end.
        let room = metrics.sum("tracer_map_capacity", &[("map", "flows")]);
        // Each of its own flows that ended meanwhile gave its room to another one.
        let most = room + begun + full - all;
        assert!(
            (begun..=most).contains(&scanner[0]),
            "{} is not from {begun} to {most}",
            scanner[0]
        );
        scanner[0] = begun;
    }
    assert_eq!(scanner, truth::told(&told));
    let server = server.finish();
    let server = truth::parse(server.iter().map(String::as_str));
    for (name, expected) in [("dropped", 0), ("contacts", all), ("received", all * BYTES)] {
        assert_eq!(truth::sum(&server, name), expected, "{name} at the server");
    }
    watch.forgotten("scanned", counts);
    let metrics = watch.tracer.metrics();
    let cancelled = [("app", "scanned"), ("reason", "cancelled")];
    let cancelled = metrics.sum("tracer_connections_failed_total", &cancelled);
    // Nobody was answered. Whose flow found no room has no outcome.
    assert!(
        (all.saturating_sub(full)..=all).contains(&cancelled),
        "{cancelled} of {all} cancelled, {full} flows found no room"
    );
}

/// TCP from as many addresses.
fn connections(all: u64) {
    let (directory, host) = (Directory::new("sources-tcp"), Namespace::new("tw"));
    let watch = Watch::start();
    let mut command = host.command(&directory.app("scanning"));
    command.args(["storm", "--threads", "2"]);
    for option in ["--times", "--sources"] {
        command.args([option, &all.to_string()]);
    }
    let told = truth::told(&truth::lines(command));
    assert_eq!(told, [all, all, 0, 0]);
    assert_eq!(host.active_opens(), all);
    let (metrics, counts) = watch.accepted("scanning");
    for direction in ["in", "out"] {
        truth::check(
            &metrics,
            &[("app", "scanning"), ("direction", direction)],
            told,
        );
    }
    watch.forgotten("scanning", counts);
}

#[test]
fn datagrams_from_a_hundred_thousand_addresses_take_a_bounded_place() {
    datagrams(1, false);
}

#[test]
fn datagrams_from_a_hundred_thousand_sockets_take_a_bounded_place() {
    datagrams(1, true);
}

#[test]
fn a_server_older_than_the_tracer_is_forgotten_when_it_has_ended() {
    let (directory, host) = (Directory::new("older-server"), Namespace::new("tk"));
    let mut command = host.command(&directory.app("scanned"));
    command.args(["serve-datagrams", "--until-stdin-closes", "--listen", LOCAL]);
    let server = Helper::start(&mut command, "ready");
    let watch = Watch::start();
    let mut command = host.command(&directory.app("scanner"));
    command.args(["flood-in", "--to", LOCAL, "--sources", "100"]);
    truth::lines(command);
    let accepted = [("app", "scanned"), ("direction", "in")];
    let counts = truth::counted(&watch.tracer.metrics(), &accepted);
    assert_eq!(counts, [100, 0, 0, 10_000]);
    server.finish();
    watch.forgotten("scanned", counts);
}

#[test]
fn connections_from_a_hundred_thousand_addresses_take_a_bounded_place() {
    connections(sources());
}

#[test]
#[ignore = "40 seconds of load; run it with --ignored"]
fn contacts_from_a_million_addresses_take_a_bounded_place() {
    datagrams(10, false);
    connections(10 * sources());
}
