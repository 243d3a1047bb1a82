//! Sockets that were there before the tracer: whose they are, and what passes over them from then on.

use std::process::{Child, Command, Stdio};

use crate::support::{Directory, Helper, Metrics, Namespace, Tracer, is_virtual, run};

#[test]
fn sockets_older_than_the_tracer_are_open_and_their_bytes_from_then_on_count() {
    let (directory, host) = (Directory::new("older"), Namespace::new("te"));
    let mut server = host.command(&directory.app("server"));
    let server = Helper::start(
        server.args([
            "serve",
            "--until-stdin-closes",
            "--listen",
            "127.0.0.1:7000",
        ]),
        "ready",
    );
    let mut holder = host.command(&directory.app("holder"));
    holder.args([
        "hold",
        "--to",
        "127.0.0.1:7000",
        "--times",
        "1000",
        "--bytes",
        "100",
    ]);
    let mut holder = Helper::start(&mut holder, "holding");
    let sent = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).expect("truth")["sent"]
            .as_u64()
            .expect("bytes")
    };
    let before = sent(&holder.line());
    let tracer = Tracer::start(&[]);
    let place = [
        ("app", "holder"),
        ("destination", "127.0.0.1"),
        ("port", "7000"),
        ("direction", "out"),
    ];

    let metrics = tracer.metrics();
    assert_eq!(metrics.sum("tracer_connections_open", &place), 1000);
    assert_eq!(metrics.sum("tracer_sent_bytes_total", &place), 0);
    assert_eq!(
        metrics.sum("tracer_connections_total", &[("app", "holder")]),
        0,
        "they began before"
    );
    let accepted = [("app", "server"), ("port", "7000"), ("direction", "in")];
    assert_eq!(metrics.sum("tracer_connections_open", &accepted), 1000);
    assert_eq!(
        metrics.begun("tracer_connections_open", &[("app", "server")]),
        0,
        "accepted ones are not begun here"
    );

    holder.say("send 1000");
    let live = sent(&holder.line()) - before;
    assert_eq!(live, 1_000_000);
    assert_eq!(
        tracer.metrics().sum("tracer_sent_bytes_total", &place),
        live,
        "while they are open"
    );

    // New connections of the same app are counted beside the older ones.
    run(host.command(&directory.app("holder")).args([
        "connect",
        "--to",
        "127.0.0.1:7000",
        "--mode",
        "plain",
        "--times",
        "10",
    ]));
    holder.say("send 7");
    let all = sent(&holder.line()) - before;
    holder.finish();
    let metrics = tracer.wait_for("all are closed", |metrics| {
        metrics.sum("tracer_connections_open", &place) == 0
    });
    assert_eq!(metrics.sum("tracer_sent_bytes_total", &place), all);
    assert_eq!(metrics.sum("tracer_received_bytes_total", &place), 0);
    assert_eq!(metrics.sum("tracer_connections_total", &place), 10);
    metrics.assert_nothing_lost();
    tracer.wait_for("they are forgotten", |metrics| {
        metrics.sum("tracer_map_entries", &[("map", "older")]) == 0
    });
    assert_eq!(tracer.metrics().sum("tracer_sent_bytes_total", &place), all);
    server.finish();
}

#[test]
fn sockets_that_end_while_it_starts_are_no_loss() {
    let (directory, host) = (Directory::new("dying"), Namespace::new("tg"));
    let mut server = host.command(&directory.app("server"));
    let server = Helper::start(
        server.args([
            "serve",
            "--until-stdin-closes",
            "--listen",
            "127.0.0.1:7000",
        ]),
        "ready",
    );
    // Connections that end by FIN all the time, so that some of them do at every moment of a start.
    let mut command = host.command(&directory.app("churn"));
    command.args(["connect", "--to", "127.0.0.1:7000", "--mode", "plain"]);
    command.args(["--times", "60000", "--threads", "8"]);
    let mut churn = crate::support::network::start(command);
    for _ in 0..if is_virtual() { 3 } else { 15 } {
        let tracer = Tracer::start(&[]);
        for _ in 0..3 {
            tracer.metrics().assert_nothing_lost();
        }
    }
    churn.kill().expect("end the connections");
    churn.wait().expect("wait for the generator");
    server.finish();
}

/// Somebody who makes contacts until he is told to end, from before the tracer starts.
struct Caller(Child);

impl Caller {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().expect("start the caller"))
    }

    /// Ends it. Whether it was still at it: otherwise the tracer started too late to be tried.
    fn stop(mut self) -> bool {
        let was_there = self.0.try_wait().expect("ask for its state").is_none();
        let _ = self.0.kill();
        self.0.wait().expect("wait for it");
        was_there
    }
}

/// Contacts that were accepted at the port, of everybody and of `server`.
fn accepted(metrics: &Metrics, server: &str) -> (u64, u64) {
    let at = [("direction", "in"), ("port", "7000")];
    let of = [("direction", "in"), ("port", "7000"), ("app", server)];
    (
        metrics.sum("tracer_connections_total", &at),
        metrics.sum("tracer_connections_total", &of),
    )
}

#[test]
fn what_an_older_listener_accepts_while_the_tracer_starts_is_its() {
    let (directory, host) = (Directory::new("listener"), Namespace::new("tl"));
    let server = Helper::start(
        host.command(&directory.app("server")).args([
            "serve",
            "--until-stdin-closes",
            "--listen",
            "127.0.0.1:7000",
        ]),
        "ready",
    );
    let caller = Caller::start(host.command(&directory.app("caller")).args([
        "storm",
        "--to",
        "127.0.0.1:7000",
        "--seconds",
        "60",
        "--pace",
        "5000",
    ]));
    let tracer = Tracer::start(&[]);
    assert!(caller.stop(), "it ended before the tracer was ready");
    let metrics = tracer.metrics();
    let (of_all, of_server) = accepted(&metrics, "server");
    assert_eq!(of_server, of_all);
    let begun = metrics.begun("tracer_connections_total", &[("app", "caller")]);
    // The hook may have been attached between the two ends of one.
    assert!(
        of_all == begun || of_all == begun + 1,
        "{of_all} accepted of {begun}"
    );
    assert!(begun > 0, "none while it started");
    server.finish();
}

#[test]
fn what_an_older_socket_of_datagrams_receives_while_the_tracer_starts_is_its() {
    let (directory, host) = (Directory::new("receiver"), Namespace::new("tr"));
    let server = Helper::start(
        host.command(&directory.app("server")).args([
            "serve-datagrams",
            "--until-stdin-closes",
            "--listen",
            "127.0.0.1:7000",
        ]),
        "ready",
    );
    let caller = Caller::start(host.command(&directory.app("caller")).args([
        "flood-in",
        "--to",
        "127.0.0.1:7000",
        "--sources",
        "4000000",
    ]));
    let tracer = Tracer::start(&[]);
    assert!(caller.stop(), "it ended before the tracer was ready");
    let (of_all, of_server) = accepted(&tracer.metrics(), "server");
    assert_eq!(of_server, of_all);
    assert!(of_all > 0, "none while it started");
    server.finish();
}
