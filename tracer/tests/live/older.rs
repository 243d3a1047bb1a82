//! Sockets that were there before the tracer: whose they are, and what passes over them from then on.

mod kinds;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer, by_scope, is_virtual, patience, run,
    trace::Trace,
};
use kinds::{Kinds, PORTS};

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
    // Of this machine, and no more from now on.
    let others = metrics.sum("tracer_map_entries", &[("map", "older")]) - 2000;
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
        metrics.sum("tracer_map_entries", &[("map", "older")]) <= others
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
    // An emulated machine takes seconds to attach the hooks, and what ends meanwhile has to find room.
    let arguments: &[&str] = if is_virtual() {
        &["--map-capacity", "RECORDS=33554432"]
    } else {
        &[]
    };
    for _ in 0..if is_virtual() { 3 } else { by_scope(4, 15) } {
        let tracer = Tracer::start(arguments);
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

/// A server of the namespace, and somebody who holds so many connections to it.
fn pair(directory: &Directory, host: &Namespace, times: &str) -> (Helper, Helper) {
    let mut server = host.command(&directory.app("server"));
    server.args([
        "serve",
        "--until-stdin-closes",
        "--listen",
        "127.0.0.1:7000",
    ]);
    let server = Helper::start(&mut server, "ready");
    (server, holder(directory, host, times))
}

fn holder(directory: &Directory, host: &Namespace, times: &str) -> Helper {
    let mut holder = host.command(&directory.app("holder"));
    holder.args(["hold", "--to", "127.0.0.1:7000", "--times", times]);
    let mut holder = Helper::start(holder.args(["--bytes", "1"]), "holding");
    holder.line();
    holder
}

/// How many descriptors of a network namespace a process has open.
fn held(process: u32, namespace: u64) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("its descriptors");
    let targets = descriptors.flatten().map(|one| fs::read_link(one.path()));
    let wanted = format!("net:[{namespace}]");
    targets
        .flatten()
        .filter(|target| target.as_os_str() == wanted.as_str())
        .count()
}

#[test]
fn a_namespace_is_let_go_at_the_end_of_its_last_older_socket_though_nobody_asks() {
    is_let_go("2097152", 1);
}

#[test]
fn a_namespace_is_let_go_also_where_the_ends_found_no_room_in_the_ring_buffer() {
    is_let_go("16384", 1000);
}

/// With a ring buffer of so many bytes, and so many connections that end while it is not read.
fn is_let_go(records: &str, times: u64) {
    let (directory, host) = (Directory::new("last"), Namespace::new("tn"));
    let (server, mut holder) = pair(&directory, &host, &times.to_string());
    let namespace = fs::metadata(format!("/run/netns/{}", host.0)).expect("the namespace");
    let namespace = namespace.ino();
    let tracer = Tracer::start(&["--map-capacity", &format!("RECORDS={records}")]);
    let process = tracer.child.id();
    assert_eq!(held(process, namespace), 1, "while they live");
    holder.say("send 7");
    holder.line();
    tracer.signal(libc::SIGSTOP);
    holder.finish();
    server.finish();
    drop(host);
    tracer.signal(libc::SIGCONT);
    let deadline = Instant::now() + patience(5);
    while held(process, namespace) != 0 {
        assert!(Instant::now() < deadline, "it still holds the namespace");
        sleep(Duration::from_millis(20));
    }
    let metrics = tracer.metrics();
    let place = [("app", "holder"), ("port", "7000"), ("direction", "out")];
    let sent = metrics.sum("tracer_sent_bytes_total", &place);
    assert_eq!(sent, 7 * times, "what passed is not forgotten");
    assert_eq!(metrics.sum("tracer_connections_open", &place), 0);
    let lost = [("reason", "older_sockets")];
    assert_eq!(metrics.sum("tracer_lost_total", &lost), 0);
    let unheard = metrics.sum("tracer_lost_total", &[("reason", "records_full")]);
    assert_eq!(unheard > 0, times > 1, "{unheard} found no room");
}

/// Older sockets at a scrape, and how many bytes of `sock_diag`'s the tracer received for it.
fn told(tracer: &Tracer, trace: &Trace) -> (u64, u64) {
    let before = received(trace);
    let metrics = tracer.metrics();
    let older = metrics.sum("tracer_map_entries", &[("map", "older")]);
    (older, received(trace) - before)
}

/// Bytes that were received from `sock_diag`.
fn received(trace: &Trace) -> u64 {
    let length = |line: &str| -> Option<u64> {
        // AF_NETLINK and NETLINK_SOCK_DIAG (include/linux/socket.h, include/uapi/linux/netlink.h).
        let (_, of_diag) = line.split_once("family = 0x10 protocol = 0x4, length = ")?;
        of_diag.split(',').next()?.parse().ok()
    };
    trace.text().lines().filter_map(length).sum()
}

#[test]
fn a_scrape_asks_for_the_older_sockets_and_for_no_others_of_their_namespace() {
    let (directory, host) = (Directory::new("asked"), Namespace::new("tq"));
    let (server, few) = pair(&directory, &host, "3");
    let tracer = Tracer::start(&[]);
    let Ok(trace) = Trace::of(tracer.child.id(), &[["sock", "sock_recv_length"]]) else {
        eprintln!("skipped: this kernel does not trace what is received (since 6.3)");
        return;
    };
    // Sockets of this machine that are none of the test's may end meanwhile: then it is tried again.
    for _ in 0..10 {
        let (older, bytes) = told(&tracer, &trace);
        assert!(older >= 6, "both ends of three");
        assert!(bytes >= older * 72, "headers at least");
        let many = holder(&directory, &host, "500");
        let (older_of_many, bytes_of_many) = told(&tracer, &trace);
        many.finish();
        if older_of_many == older {
            assert_eq!(bytes_of_many, bytes, "for {older} older sockets");
            few.finish();
            server.finish();
            return;
        }
    }
    panic!("each time older sockets of others have ended");
}

#[test]
fn older_sockets_of_every_kind_are_found_when_they_are_asked_for() {
    let (directory, host) = (Directory::new("kinds"), Namespace::new("ti"));
    // A namespace is found by a process that is in it.
    let (server, holder) = pair(&directory, &host, "1");
    let mut kinds = Kinds::in_namespace(&host);
    let tracer = Tracer::start(&[]);
    let check = |metrics: &Metrics, bytes: u64, open: u64| {
        for port in PORTS {
            for (direction, way) in [("out", "sent"), ("in", "received")] {
                let place = [("port", &*port.to_string()), ("direction", direction)];
                let passed = metrics.sum(&format!("tracer_{way}_bytes_total"), &place);
                assert_eq!(passed, bytes, "{way} at {port}");
                let found = metrics.sum("tracer_connections_open", &place);
                assert_eq!(found, open, "open at {port}");
            }
        }
        let lost = [("reason", "older_sockets")];
        assert_eq!(metrics.sum("tracer_lost_total", &lost), 0);
    };
    check(&tracer.metrics(), 0, 1);
    kinds.send(100);
    check(&tracer.metrics(), 100, 1);
    // Who asks for it as it was would not find it.
    kinds.bind();
    kinds.send(10);
    check(&tracer.metrics(), 110, 1);
    kinds.send(1);
    check(&tracer.metrics(), 111, 1);
    // The socket lives on, and is older no longer.
    kinds.connect_anew();
    check(&tracer.decided(), 111, 1);
    drop(kinds);
    let is_over = |metrics: &Metrics| {
        let open =
            |port: u16| metrics.sum("tracer_connections_open", &[("port", &port.to_string())]);
        PORTS.map(open).sum::<u64>() == 0
    };
    check(&tracer.wait_for("all are closed", is_over), 111, 0);
    holder.finish();
    server.finish();
}
