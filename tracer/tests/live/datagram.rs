//! Contacts that are no TCP: every datagram's contact and bytes, compared with the generator's own truth.

use std::{path::Path, process::Command};

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    network::{Network, start},
};
use serde_json::Value;

/// One app: its name, the protocol it is counted under, and what it does.
struct Play {
    app: &'static str,
    protocol: &'static str,
    arguments: &'static str,
}

const fn play(app: &'static str, protocol: &'static str, arguments: &'static str) -> Play {
    Play {
        app,
        protocol,
        arguments,
    }
}

/// Where the server answers, in its namespace and in the client's own.
const REMOTE: [&str; 2] = ["10.77.0.2:7000", "[fd77::2]:7000"];
const LOCAL: [&str; 2] = ["127.0.0.1:7001", "[::1]:7001"];

const PLAYS: &[Play] = &[
    play(
        "sendto4",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode send-to --sockets 20 --times 50",
    ),
    play(
        "sendto6",
        "udp",
        "datagrams --to [fd77::2]:7000 --mode send-to --sockets 20 --times 50 --threads 4",
    ),
    play(
        "connected",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode connected --sockets 5 --times 100 --bytes 1200",
    ),
    play(
        "echo4",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode echo --sockets 30 --times 20 --threads 3",
    ),
    play(
        "echo6",
        "udp",
        "datagrams --to [fd77::2]:7000 --mode echo --sockets 10 --times 50",
    ),
    play(
        "mapped",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode echo --sockets 10 --times 50 --v4-mapped",
    ),
    play(
        "large",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode echo --times 20 --bytes 65507",
    ),
    play(
        "large6",
        "udp",
        "datagrams --to [fd77::2]:7000 --mode echo-connected --times 20 --bytes 40000",
    ),
    play(
        "local4",
        "udp",
        "datagrams --to 127.0.0.1:7001 --mode echo-connected --sockets 3 --times 300",
    ),
    play(
        "local6",
        "udp",
        "datagrams --to [::1]:7001 --mode echo-no-address --sockets 3 --times 300",
    ),
    play(
        "write",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode echo-write --sockets 3 --times 30",
    ),
    play(
        "sendmmsg",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode sendmmsg --sockets 3 --times 320",
    ),
    play(
        "recvmmsg",
        "udp",
        "datagrams --to [fd77::2]:7000 --mode recvmmsg --sockets 3 --times 320",
    ),
    play(
        "segment",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode segment --sockets 2 --times 400 --bytes 1000",
    ),
    play(
        "gro",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode gro --sockets 2 --times 200 --bytes 1000",
    ),
    play(
        "peek",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode peek --sockets 3 --times 40",
    ),
    play(
        "truncated",
        "udp",
        "datagrams --to [fd77::2]:7000 --mode truncated --sockets 3 --times 40 --bytes 900",
    ),
    play(
        "corked",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode corked --sockets 3 --times 40",
    ),
    play(
        "corked6",
        "udp",
        "datagrams --to [fd77::2]:7000 --mode corked --sockets 3 --times 40",
    ),
    play(
        "probe",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode silent-connect --sockets 50",
    ),
    play(
        "empty",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode zero --sockets 7 --times 3",
    ),
    play(
        "iouring",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode io-uring --sockets 4 --times 50",
    ),
    play(
        "iouringw",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode io-uring-worker --sockets 4 --times 50",
    ),
    play(
        "refused",
        "udp",
        "datagrams --to 10.77.0.2:9 --mode refused --sockets 5",
    ),
    play(
        "refused6",
        "udp",
        "datagrams --to [::1]:9 --mode refused --sockets 5",
    ),
    play(
        "refusedasked",
        "udp",
        "datagrams --to 10.77.0.2:9 --mode refused-asked --sockets 5",
    ),
    play(
        "forked",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode fork --sockets 5 --times 5",
    ),
    play(
        "unread",
        "udp",
        "datagrams --to 10.77.0.2:7000 --mode read-nothing --sockets 3 --times 10",
    ),
    play(
        "ping4",
        "icmp",
        "echo-requests --to 10.77.0.2 --mode ping --sockets 3 --times 30",
    ),
    play(
        "ping6",
        "icmp",
        "echo-requests --to fd77::2 --mode ping --sockets 3 --times 30 --bytes 1000",
    ),
    play(
        "pingraw4",
        "icmp",
        "echo-requests --to 10.77.0.2 --mode raw --times 40",
    ),
    play(
        "pingraw6",
        "icmp",
        "echo-requests --to fd77::2 --mode raw --times 40",
    ),
    play(
        "raw4",
        "raw",
        "raw --to 10.77.0.2 --sockets 2 --times 30 --bytes 300",
    ),
    play(
        "raw6",
        "raw",
        "raw --to fd77::2 --sockets 2 --times 30 --bytes 300",
    ),
    play(
        "rawhdr4",
        "raw",
        "raw --to 10.77.0.2 --times 30 --header-included",
    ),
    play(
        "rawhdr6",
        "raw",
        "raw --to fd77::2 --times 30 --header-included",
    ),
    // What looks like the traffic of others is still a raw socket's.
    play(
        "rawtcp4",
        "raw",
        "raw --to 10.77.0.2 --times 30 --protocol 6",
    ),
    play("rawtcp6", "raw", "raw --to fd77::2 --times 30 --protocol 6"),
    play(
        "rawudp4",
        "raw",
        "raw --to 10.77.0.2 --times 30 --protocol 17 --header-included",
    ),
    play(
        "rawudp6",
        "raw",
        "raw --to fd77::2 --times 30 --protocol 17",
    ),
];

/// A server of datagrams, ready.
fn serve(host: &Namespace, generator: &Path, addresses: &[&str]) -> Helper {
    let mut command = host.command(generator);
    command
        .args(["serve-datagrams", "--until-stdin-closes", "--listen"])
        .args(addresses);
    Helper::start(&mut command, "ready")
}

fn lines(output: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(output).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of truth"))
        .collect()
}

/// Runs one app to its end and returns its truth.
fn truth(command: Command, app: &str) -> Value {
    let output = start(command)
        .wait_with_output()
        .expect("wait for the generator");
    assert!(
        output.status.success(),
        "{app} ended with {}",
        output.status
    );
    lines(&output.stdout).pop().expect("a line of truth")
}

fn number(truth: &Value, name: &str) -> u64 {
    truth[name].as_u64().expect("a number")
}

const FAMILIES: [(&str, &str); 4] = [
    ("connections", "tracer_connections_total"),
    ("established", "tracer_connections_established_total"),
    ("sent", "tracer_sent_bytes_total"),
    ("received", "tracer_received_bytes_total"),
];

/// Where the tracer and the truth differ about one app, all of whose contacts went to one place.
fn difference(metrics: &Metrics, play: &Play, truth: &Value) -> Option<String> {
    let port = truth["port"].to_string();
    let place = [
        ("app", play.app),
        ("destination", truth["destination"].as_str()?),
        ("port", &port),
        ("protocol", play.protocol),
        ("direction", "out"),
    ];
    let expected = FAMILIES.map(|(name, _)| number(truth, name));
    let found = FAMILIES.map(|(_, family)| metrics.sum(family, &place));
    // Nothing of it anywhere else, and each contact has one outcome.
    let all = FAMILIES.map(|(_, family)| metrics.sum(family, &[("app", play.app)]));
    let failed = metrics.sum("tracer_connections_failed_total", &place);
    let refused = [place.as_slice(), &[("reason", "refused")]].concat();
    let right = expected == found
        && all == found
        && failed == found[0] - found[1]
        && metrics.sum("tracer_connections_failed_total", &refused)
            == truth["failed"]["refused"].as_u64().unwrap_or(0);
    (!right).then(|| {
        format!(
            "{}: truth {expected:?}, tracer {found:?}, anywhere {all:?}, failed {failed}",
            play.app
        )
    })
}

#[test]
fn datagrams_of_every_kind_are_counted_to_the_contact_and_to_the_byte() {
    let (directory, network) = (Directory::new("datagram"), Network::new());
    let generator = directory.app("server");
    let servers = [
        (serve(&network.server, &generator, &REMOTE), "7000"),
        (serve(&network.client, &generator, &LOCAL), "7001"),
    ];
    let tracer = Tracer::start(&[]);
    let truths: Vec<Value> = PLAYS
        .iter()
        .map(|play| {
            let mut command = network.client.command(&directory.app(play.app));
            command.args(play.arguments.split(' '));
            truth(command, play.app)
        })
        .collect();
    let metrics = tracer.wait_for("every contact has ended", |metrics| {
        metrics.begun("tracer_connections_open", &[])
            == metrics.begun("tracer_connections_open", &[("protocol", "tcp")])
    });
    let differences: Vec<String> = PLAYS
        .iter()
        .zip(&truths)
        .filter_map(|(play, truth)| difference(&metrics, play, truth))
        .collect();
    assert!(
        differences.is_empty(),
        "{}{}",
        differences.join("\n"),
        metrics.unfollowed()
    );

    for (server, port) in servers {
        let told: Vec<Value> = server
            .finish()
            .iter()
            .map(|line| serde_json::from_str(line).expect("a line of truth"))
            .collect();
        let sum = |name| told.iter().map(|line| number(line, name)).sum::<u64>();
        assert_eq!(
            sum("dropped"),
            0,
            "the server lost some: nothing to compare with"
        );
        let place = [("app", "server"), ("direction", "in"), ("port", port)];
        for (name, family) in [
            ("sent", "tracer_sent_bytes_total"),
            ("received", "tracer_received_bytes_total"),
        ] {
            assert_eq!(metrics.sum(family, &place), sum(name), "{family} at {port}");
        }
    }
    metrics.assert_nothing_lost();
    metrics.assert_all_have_an_app();
}

#[test]
fn what_a_raw_socket_receives_is_its_makers_where_it_neither_binds_nor_sends() {
    let (directory, network) = (Directory::new("taker"), Network::new());
    let tracer = Tracer::start(&[]);
    // 132 is SCTP, which programs may speak themselves: the socket is a raw one all the same.
    for (app, to, protocol) in [
        ("taker4", "10.77.0.2", "253"),
        ("taker6", "fd77::2", "253"),
        ("taker-sctp", "10.77.0.2", "132"),
    ] {
        let mut arguments = vec!["raw", "--to", to, "--times", "60", "--bytes", "300"];
        arguments.extend(["--protocol", protocol]);
        let mut command = network.server.command(&directory.app(app));
        command.args(&arguments).arg("--only-receive");
        let taker = Helper::start(&mut command, "ready");
        let mut command = network.client.command(&directory.app("sender"));
        command.args(arguments);
        truth(command, "sender");
        let told: Value = serde_json::from_str(&taker.finish()[0]).expect("a line of truth");
        assert_eq!(number(&told, "received"), 60 * 300);
        let place = [("app", app), ("direction", "in"), ("protocol", "raw")];
        let metrics = tracer.metrics();
        assert_eq!(metrics.sum("tracer_connections_total", &place), 1);
        assert_eq!(metrics.sum("tracer_received_bytes_total", &place), 60 * 300);
        metrics.assert_all_have_an_app();
        metrics.assert_nothing_lost();
        tracer.wait_for("it has ended with its socket", |metrics| {
            metrics.sum("tracer_connections_open", &place) == 0
        });
    }
}

#[test]
fn a_contact_over_datagrams_is_open_until_its_socket_closes() {
    let (directory, host) = (Directory::new("life"), Namespace::new("tu"));
    let server = serve(&host, &directory.app("server"), &["127.0.0.1:7001"]);
    let tracer = Tracer::start(&[]);
    let mut command = host.command(&directory.app("inbound"));
    command.args("flood-in --to 127.0.0.1:7001 --sources 500 --bind --bytes 10".split(' '));
    let told = truth(command, "inbound");
    assert_eq!(number(&told, "connections"), 500);
    let accepted = [("app", "server"), ("direction", "in"), ("protocol", "udp")];
    let metrics = tracer.metrics();
    assert_eq!(metrics.sum("tracer_connections_total", &accepted), 500);
    assert_eq!(metrics.sum("tracer_connections_open", &accepted), 500);
    assert_eq!(metrics.sum("tracer_received_bytes_total", &accepted), 5000);
    assert_eq!(
        metrics.sum("tracer_connections_established_total", &accepted),
        0,
        "nobody was answered"
    );
    server.finish();
    // What was on its way to the socket when it was closed counts too: each is over two seconds later, and not before.
    let metrics = tracer.wait_for("all are over", |metrics| {
        metrics.sum("tracer_connections_open", &accepted) == 0
    });
    assert_eq!(metrics.sum("tracer_connections_total", &accepted), 500);
    let cancelled = [accepted.as_slice(), &[("reason", "cancelled")]].concat();
    assert_eq!(
        metrics.sum("tracer_connections_failed_total", &cancelled),
        500
    );
    metrics.assert_nothing_lost();
}

#[test]
fn a_flood_to_a_million_remotes_is_bounded_and_its_totals_are_exact() {
    let (directory, host) = (Directory::new("flood"), Namespace::new("tv"));
    let tracer = Tracer::start(&[]);
    let before = tracer.resident();
    let remotes: u64 = if crate::support::is_virtual() {
        50_000
    } else {
        1_000_000
    };
    let mut command = host.command(&directory.app("flood"));
    command
        .args([
            "flood",
            "--to",
            "127.1.0.0:7009",
            "--bytes",
            "10",
            "--remotes",
        ])
        .arg(remotes.to_string());
    truth(command, "flood");
    let app = [("app", "flood"), ("direction", "out"), ("protocol", "udp")];
    let metrics = tracer.metrics();
    assert_eq!(metrics.sum("tracer_connections_total", &app), remotes);
    assert_eq!(metrics.sum("tracer_sent_bytes_total", &app), remotes * 10);
    assert_eq!(
        metrics.series("tracer_connections_total", &app).count(),
        501
    );
    let full = |reason| metrics.sum("tracer_lost_total", &[("reason", reason)]);
    let room = |map| metrics.sum("tracer_map_capacity", &[("map", map)]);
    // What finds no room as a flow is counted by destination, and where that finds none, by its program.
    let without_flow = remotes.saturating_sub(room("flows"));
    assert_eq!(full("flows_full"), without_flow);
    assert_eq!(
        full("destinations_full"),
        without_flow.saturating_sub(room("destinations"))
    );
    let grown = tracer.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "it grew by {grown} bytes");
}
