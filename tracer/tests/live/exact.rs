//! Every count and every byte, compared with the generator's own truth and the kernel's.

use crate::support::{
    Directory, Metrics, Tracer, is_virtual,
    network::{Network, start},
    truth,
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
    /// An emulated machine makes a twentieth of them.
    fn times(&self) -> u64 {
        if is_virtual() {
            self.times.div_ceil(20)
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
        PLAYS
            .iter()
            .all(|play| truth::is_over(metrics, &[("app", play.app)]))
    });
    let differences: Vec<String> = PLAYS
        .iter()
        .zip(&truths)
        .flat_map(|(play, truth)| differences(&metrics, play.app, truth))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let all: u64 = truths
        .iter()
        .map(|truth| truth["connections"].as_u64().expect("a count"))
        .sum();
    let least = if is_virtual() { 500 } else { 10_000 };
    assert!(all >= least, "the workload is too small: {all}");
    assert_eq!(
        opened, all,
        "the kernel's ActiveOpens and the generator's count"
    );
    let begun = [("app", "server"), ("direction", "out")];
    assert_eq!(
        metrics.sum("tracer_connections_total", &begun),
        0,
        "accepting is no contact begun"
    );
    metrics.assert_nothing_lost();
    metrics.assert_all_have_an_app();
    let told = [remote.finish(), local.finish()].concat();
    let accepted = truth::parse(told.iter().map(String::as_str));
    let metrics = tracer.wait_for("every accepted connection has ended", |metrics| {
        truth::is_over(metrics, &[("app", "server")])
    });
    assert_accepted(&metrics, &accepted);
    metrics.assert_nothing_lost();
    assert_eq!(tracer.stop(), Some(0));
}

/// Compares what the tracer says of accepted contacts with what the server says of each listening address.
///
/// No mode is left out, for in each the server itself knows what arrived and what left. It reads all that comes, `unsent`
/// included, whose data it reads once the client has reset: the kernel keeps it readable. All that it writes has left before
/// anybody resets: `early` and `serverrst` wait until the client's kernel has everything.
fn assert_accepted(metrics: &Metrics, told: &[serde_json::Value]) {
    let mut differences = Vec::new();
    for line in told {
        let port = line["port"].to_string();
        let listen = line["listen"].as_str().expect("an address");
        let place = [
            ("app", "server"),
            ("direction", "in"),
            ("destination", client_of(listen)),
            ("port", &port),
            ("protocol", "tcp"),
        ];
        let expected = truth::told_by_server(std::slice::from_ref(line));
        differences.extend(truth::differences(metrics, &place, expected));
    }
    // And nothing of it anywhere else.
    let expected = truth::told_by_server(told);
    differences.extend(truth::differences(metrics, &[("app", "server")], expected));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The address that contacts a listening one.
fn client_of(listen: &str) -> &str {
    match listen {
        "10.77.0.2" => "10.77.0.1",
        "fd77::2" => "fd77::1",
        loopback => loopback,
    }
}

/// What the tracer says of an app and the truth does not: all must be at the one destination and port, and nowhere else.
fn differences(metrics: &Metrics, app: &str, truth: &serde_json::Value) -> Vec<String> {
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
    let told = truth::told(std::slice::from_ref(truth));
    let mut differences = truth::differences(metrics, &exact, told);
    differences.extend(truth::differences(metrics, &[("app", app)], told));
    let family = "tracer_connections_failed_total";
    let mut all = 0;
    for (reason, count) in truth["failed"].as_object().expect("reasons") {
        let count = count.as_u64().expect("a number");
        let reason = reason.replace('-', "_");
        let why = [exact.as_slice(), &[("reason", reason.as_str())]].concat();
        differences.extend(metrics.difference(family, &why, count));
        all += count;
    }
    differences.extend(metrics.difference(family, &[("app", app)], all));
    differences
}
