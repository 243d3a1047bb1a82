//! Every count and every byte, compared with the generator's own truth and the kernel's.

use std::collections::BTreeMap;

use crate::support::{
    Directory, Metrics, Tracer, is_virtual,
    network::{Network, start},
};

/// One app of the workload: its name, where it goes, how often, and how.
struct Play {
    app: &'static str,
    to: &'static str,
    times: u64,
    arguments: &'static str,
}

const fn play(app: &'static str, to: &'static str, times: u64, arguments: &'static str) -> Play {
    Play {
        app,
        to,
        times,
        arguments,
    }
}

/// Where the server listens, in its namespace and in the client's own.
const REMOTE: [&str; 2] = ["10.77.0.2:7000", "[fd77::2]:7000"];
const LOCAL: [&str; 2] = ["127.0.0.1:7001", "[::1]:7001"];

/// 28 apps; in all more than 10,000 connections, of every kind that ends by itself.
const PLAYS: &[Play] = &[
    play("plain4", REMOTE[0], 1500, "--mode plain --threads 4"),
    play("plain6", REMOTE[1], 1500, "--mode plain --threads 3"),
    play("mapped", REMOTE[0], 700, "--mode plain --v4-mapped"),
    play("local4", LOCAL[0], 2000, "--mode plain"),
    play("local6", LOCAL[1], 1000, "--mode plain"),
    play("forks", LOCAL[0], 300, "--mode plain --fork"),
    play("resets", REMOTE[0], 1500, "--mode reset"),
    play("refused4", "10.77.0.2:9", 700, "--mode refused --threads 2"),
    play("refused6", "[fd77::2]:9", 700, "--mode refused"),
    play(
        "refusedm",
        "10.77.0.2:9",
        100,
        "--mode refused --v4-mapped --fork",
    ),
    play(
        "silent4",
        "10.78.0.9:80",
        24,
        "--mode timed-out --threads 24",
    ),
    play(
        "silent6",
        "[fd78::9]:80",
        24,
        "--mode timed-out --threads 24",
    ),
    play(
        "nowhere4",
        "10.79.0.9:80",
        6,
        "--mode unreachable --threads 3",
    ),
    play(
        "nowhere6",
        "[fd79::9]:80",
        48,
        "--mode unreachable --threads 16",
    ),
    play(
        "cancels",
        "10.78.0.10:80",
        300,
        "--mode cancelled --threads 2",
    ),
    play(
        "echo",
        REMOTE[0],
        200,
        "--mode echo --bytes-out 30001 --bytes-in 70003 --threads 2",
    ),
    play("upload", REMOTE[1], 40, "--mode upload --bytes-out 1000003"),
    play(
        "download",
        REMOTE[0],
        40,
        "--mode download --bytes-in 1000007",
    ),
    play(
        "halfclose",
        REMOTE[0],
        100,
        "--mode half-close --bytes-out 10007 --bytes-in 20011",
    ),
    play(
        "halfserver",
        REMOTE[1],
        100,
        "--mode half-close-server --bytes-out 10007 --bytes-in 20011",
    ),
    play(
        "sendfile",
        REMOTE[0],
        40,
        "--mode sendfile --bytes-out 200003",
    ),
    play(
        "splice",
        REMOTE[0],
        40,
        "--mode splice --bytes-out 200003 --bytes-in 100003",
    ),
    play(
        "iouring",
        REMOTE[0],
        40,
        "--mode io-uring --bytes-out 100003 --bytes-in 50021",
    ),
    play(
        "iouringw",
        LOCAL[0],
        20,
        "--mode io-uring-worker --bytes-out 100003 --bytes-in 50021",
    ),
    play("writev", REMOTE[1], 40, "--mode writev --bytes-out 100003"),
    play(
        "zerocopy",
        REMOTE[0],
        40,
        "--mode zerocopy --bytes-out 500009",
    ),
    play(
        "early",
        REMOTE[0],
        40,
        "--mode early-close --bytes-in 20011",
    ),
    play(
        "serverrst",
        REMOTE[0],
        40,
        "--mode server-reset --bytes-in 20011",
    ),
    play("unsent", REMOTE[0], 8, "--mode unsent --bytes-out 30000000"),
    play(
        "linger",
        REMOTE[0],
        60,
        "--mode linger-data --bytes-out 100003",
    ),
];

impl Play {
    /// An emulated machine makes a quarter of them.
    fn times(&self) -> u64 {
        if is_virtual() {
            self.times.div_ceil(4)
        } else {
            self.times
        }
    }
}

#[test]
fn a_workload_of_every_kind_is_counted_to_the_contact_and_to_the_byte() {
    let directory = Directory::new("exact");
    let network = Network::new();
    let generator = directory.app("server");
    let remote = network.serve(&generator, &REMOTE);
    let local = {
        let mut command = network.client.command(&generator);
        command
            .args(["serve", "--until-stdin-closes", "--listen"])
            .args(LOCAL);
        crate::support::Helper::start(&mut command, "ready")
    };
    let tracer = Tracer::start(&[]);
    let opened_before = network.client.active_opens() + network.server.active_opens();

    let running: Vec<_> = PLAYS
        .iter()
        .map(|play| {
            let mut command = network.client.command(&directory.app(play.app));
            let times = play.times().to_string();
            command
                .args(["connect", "--to", play.to, "--times", &times])
                .args(play.arguments.split(' '));
            start(command)
        })
        .collect();
    let truths: Vec<serde_json::Value> = running
        .into_iter()
        .zip(PLAYS)
        .map(|(child, play)| {
            let output = child.wait_with_output().expect("wait for the generator");
            assert!(
                output.status.success(),
                "{} ended with {}",
                play.app,
                output.status
            );
            serde_json::from_slice(&output.stdout).expect("a line of truth")
        })
        .collect();
    let opened = network.client.active_opens() + network.server.active_opens() - opened_before;

    // Sockets live on in the kernel after their process: until the last FIN is answered or given up.
    let metrics = tracer.wait_for("every connection has ended", |metrics| {
        PLAYS.iter().all(|play| {
            let app = [("app", play.app)];
            let over = metrics.sum("tracer_connections_established_total", &app)
                + metrics.sum("tracer_connections_failed_total", &app);
            metrics.sum("tracer_connections_open", &app) == 0
                && metrics.sum("tracer_connections_total", &app) == over
        })
    });
    let mut differences = Vec::new();
    for (play, truth) in PLAYS.iter().zip(&truths) {
        let (expected, found) = (expected(truth), found(&metrics, play.app, truth));
        if expected != found {
            differences.push(format!(
                "{}:\n   truth {expected:?}\n  tracer {found:?}",
                play.app
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let all: u64 = truths
        .iter()
        .map(|truth| truth["connections"].as_u64().expect("a count"))
        .sum();
    let least = if is_virtual() { 2_500 } else { 10_000 };
    assert!(all >= least, "the workload is too small: {all}");
    assert_eq!(
        opened, all,
        "the kernel's ActiveOpens and the generator's count"
    );
    let counted: u64 = PLAYS
        .iter()
        .map(|play| metrics.sum("tracer_connections_total", &[("app", play.app)]))
        .sum();
    assert_eq!(counted, all);
    let begun = [("app", "server"), ("direction", "out")];
    assert_eq!(
        metrics.sum("tracer_connections_total", &begun),
        0,
        "accepting is no contact begun"
    );
    metrics.assert_nothing_lost();
    assert_eq!(metrics.sum("tracer_unattributed_connections_total", &[]), 0);
    for (server, port) in [(remote, "7000"), (local, "7001")] {
        let accepted: u64 = server
            .finish()
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of truth"))
            .map(|line| line["accepted"].as_u64().expect("a count"))
            .sum();
        let place = [("app", "server"), ("direction", "in"), ("port", port)];
        for family in [
            "tracer_connections_total",
            "tracer_connections_established_total",
        ] {
            assert_eq!(metrics.sum(family, &place), accepted, "{family} at {port}");
        }
    }
    assert_eq!(tracer.stop(), Some(0));
}

/// Name of a number, and the number.
type Numbers = BTreeMap<String, u64>;

fn expected(truth: &serde_json::Value) -> Numbers {
    let mut numbers = Numbers::new();
    for name in ["connections", "established", "sent", "received"] {
        numbers.insert(name.to_owned(), truth[name].as_u64().expect("a number"));
    }
    for (reason, count) in truth["failed"].as_object().expect("reasons") {
        numbers.insert(
            format!("failed {}", reason.replace('-', "_")),
            count.as_u64().expect("a number"),
        );
    }
    numbers
}

/// What the tracer says of an app, all of which must be at the one destination and port of the truth.
fn found(metrics: &Metrics, app: &str, truth: &serde_json::Value) -> Numbers {
    let destination = truth["destination"].as_str().expect("an address");
    let port = truth["port"].to_string();
    let exact = [
        ("app", app),
        ("destination", destination),
        ("port", &port),
        ("protocol", "tcp"),
        ("direction", "out"),
        ("user", "root"),
        ("name_source", "none"),
    ];
    let mut numbers = Numbers::new();
    for (name, family) in [
        ("connections", "tracer_connections_total"),
        ("established", "tracer_connections_established_total"),
        ("sent", "tracer_sent_bytes_total"),
        ("received", "tracer_received_bytes_total"),
    ] {
        assert_eq!(
            metrics.sum(family, &exact),
            metrics.sum(family, &[("app", app)]),
            "{app} has {family} at another destination than {destination} port {port}"
        );
        numbers.insert(name.to_owned(), metrics.sum(family, &exact));
    }
    for (labels, value) in metrics.series("tracer_connections_failed_total", &exact) {
        *numbers
            .entry(format!("failed {}", labels["reason"]))
            .or_default() += *value as u64;
    }
    numbers
}
