//! How it starts, what it finds there, how it ends, and what it says when it cannot run.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    Directory, Helper, Namespace, Tracer, free_address, patience,
    programs::{Program, programs},
    request, run,
};

/// Whether the kernel still has a program of this id.
fn is_loaded(id: u32) -> bool {
    Command::new("bpftool")
        .args(["prog", "show", "id", &id.to_string()])
        .output()
        .expect("bpftool")
        .status
        .success()
}

/// Programs are freed a moment after the last descriptor goes (a grace period of RCU).
fn assert_all_gone(programs: &[Program]) {
    assert!(!programs.is_empty());
    let deadline = Instant::now() + patience(5);
    while programs.iter().any(|program| is_loaded(program.id)) {
        assert!(
            Instant::now() < deadline,
            "a program of the tracer is still loaded"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_tracer_leaves_nothing_and_a_new_one_counts_from_zero() {
    let (directory, host) = (Directory::new("killed"), Namespace::new("tk"));
    let storm = |times: &str| {
        run(host
            .command(&directory.app("before"))
            .args(["storm", "--times", times]))
    };
    let tracer = Tracer::start(&[]);
    storm("500");
    let first = tracer.metrics();
    assert_eq!(
        first.begun("tracer_connections_total", &[("app", "before")]),
        500
    );
    let programs = programs(tracer.child.id());
    let mut tracepoints: Vec<&str> = programs
        .iter()
        .filter_map(|program| program.tracepoint.as_deref())
        .collect();
    // Only where kprobes do not serve.
    tracepoints.retain(|name| *name != "kfree_skb");
    tracepoints.sort_unstable();
    assert_eq!(
        tracepoints,
        [
            "inet_sk_error_report",
            "inet_sock_set_state",
            "inet_sock_set_state",
            "net_dev_queue",
            "sock_rcvqueue_full",
            "tcp_destroy_sock",
            "udp_fail_queue_rcv_skb"
        ]
    );
    tracer.signal(libc::SIGKILL);
    drop(tracer);
    assert_all_gone(&programs);
    storm("100");
    let tracer = Tracer::start(&[]);
    storm("7");
    let second = tracer.metrics();
    assert_eq!(
        second.begun("tracer_connections_total", &[("app", "before")]),
        7
    );
    assert!(
        second.sum("process_start_time_seconds", &[])
            >= first.sum("process_start_time_seconds", &[]),
        "the start time tells a scraper that the counters begin anew"
    );
}

#[test]
fn a_signal_ends_it_soon_with_everything_detached() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut tracer = Tracer::start(&[]);
        let programs = programs(tracer.child.id());
        // A reader that never reads on must not hold it up.
        let mut slow = std::net::TcpStream::connect(tracer.address).expect("connect");
        std::io::Write::write_all(&mut slow, b"GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n")
            .expect("ask");
        let began = Instant::now();
        tracer.signal(signal);
        assert_eq!(
            tracer.child.wait().expect("wait for the tracer").code(),
            Some(0)
        );
        // The kernel takes a tenth of a second for each probe in a library, and a library has nine.
        assert!(began.elapsed() < patience(3), "{:?}", began.elapsed());
        assert_all_gone(&programs);
    }
}

#[test]
fn two_tracers_side_by_side_count_the_same() {
    let (directory, host) = (Directory::new("two"), Namespace::new("tt"));
    let (one, other) = (Tracer::start(&[]), Tracer::start(&[]));
    run(host
        .command(&directory.app("shared"))
        .args(["storm", "--times", "1000"]));
    for tracer in [&one, &other] {
        assert_eq!(
            tracer
                .metrics()
                .begun("tracer_connections_total", &[("app", "shared")]),
            1000
        );
    }
}

#[test]
fn bytes_of_open_connections_are_shown_while_they_are_open() {
    let (directory, host) = (Directory::new("open"), Namespace::new("tl"));
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
    let tracer = Tracer::start(&[]);
    let mut holder = host.command(&directory.app("holder"));
    holder.args([
        "hold",
        "--to",
        "127.0.0.1:7000",
        "--times",
        "300",
        "--bytes",
        "1000",
    ]);
    let mut holder = Helper::start(&mut holder, "holding");
    for step in 0..4 {
        if step > 0 {
            holder.say("send 5000");
        }
        let truth: serde_json::Value = serde_json::from_str(&holder.line()).expect("truth");
        let metrics = tracer.metrics();
        assert_eq!(
            Some(metrics.sum("tracer_sent_bytes_total", &[("app", "holder")])),
            truth["sent"].as_u64()
        );
        assert_eq!(
            metrics.sum("tracer_connections_open", &[("app", "holder")]),
            300
        );
    }
    holder.finish();
    server.finish();
}

#[test]
fn a_scrape_is_the_contact_of_who_scrapes_and_the_tracer_contacts_nobody() {
    let (directory, host) = (Directory::new("scrape"), Namespace::new("ti"));
    // A tracer in a namespace of its own, so that nobody else's contacts are near.
    let mut command = host.command(Path::new(env!("CARGO_BIN_EXE_tracer")));
    command
        .args(["run", "--listen", "127.0.0.1:9741"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let address = "127.0.0.1:9741".parse().expect("an address");
    let mut tracer = Tracer {
        child: command.spawn().expect("start the tracer"),
        address,
        said: directory.0.join("said"),
        hidden: None,
    };
    let scraper = directory.0.join("scraper");
    fs::copy("/usr/bin/curl", &scraper).expect("copy curl; hint: apt-get install curl");
    let scrape = || {
        let mut command = host.command(&scraper);
        command.args([
            "--silent",
            "--fail",
            "--retry",
            "50",
            "--retry-delay",
            "1",
            "--retry-connrefused",
        ]);
        crate::support::Metrics::parse(&run(command.arg("http://127.0.0.1:9741/metrics")))
    };
    let place = [
        ("app", "scraper"),
        ("destination", "127.0.0.1"),
        ("port", "9741"),
    ];
    // Its own contact is in no row yet where nothing of it was acknowledged when it was read.
    let count = |metrics: &crate::support::Metrics| {
        metrics.sum("tracer_connections_total", &place)
            + metrics.sum("tracer_connections_undecided", &place[..1])
    };
    // The first one may have reached the listener before the hooks were attached; then it is older than the tracer.
    scrape();
    let (counted, opened) = (count(&scrape()), host.active_opens());
    for more in 1..=5 {
        assert_eq!(count(&scrape()), counted + more);
        assert_eq!(host.active_opens(), opened + more);
    }
    assert_eq!(
        scrape().sum("tracer_connections_total", &[("app", "tracer")]),
        0
    );
    tracer.signal(libc::SIGTERM);
    assert!(tracer.child.wait().expect("wait for the tracer").success());
}

#[test]
fn who_asks_while_it_starts_is_nobodys_contact_before_it_can_be_somebodys() {
    let address = free_address();
    let (is_over, got_through) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                let connected = TcpStream::connect(address);
                got_through.fetch_add(u64::from(connected.is_ok()), Relaxed);
                // So that a queue of those that nobody has accepted yet would not be full before the hooks are there.
                thread::sleep(Duration::from_millis(1));
            }
        });
        let tracer = Tracer::start(&["--listen", &address.to_string()]);
        is_over.store(true, Relaxed);
        tracer.metrics().assert_all_have_an_app();
    });
    assert!(got_through.into_inner() > 0, "nobody got through");
}

#[test]
fn every_hook_is_shown_as_attached_and_the_probes_answer() {
    let tracer = Tracer::start(&[]);
    let metrics = tracer.metrics();
    let signals: BTreeSet<_> = metrics
        .series("tracer_hook_attached", &[])
        .map(|(labels, _)| labels["signal"].clone())
        .collect();
    assert!(signals.len() >= 9, "{signals:?}");
    let unserved: BTreeSet<_> = signals
        .iter()
        .filter(|signal| metrics.sum("tracer_hook_attached", &[("signal", signal)]) == 0)
        .map(String::as_str)
        .collect();
    assert_eq!(unserved, crate::support::unserved());
    for path in ["/healthz", "/readyz"] {
        let answer = request(tracer.address, path).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn it_asks_for_the_processor_before_others() {
    let tracer = Tracer::start(&[]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", tracer.child.id())).expect("threads");
    let nice = tasks.filter_map(|task| {
        let stat = task.expect("a thread").path().join("stat");
        let stat = std::fs::read_to_string(stat).expect("its state");
        // Who looks for libraries reads no map.
        if stat.contains(" (libraries) ") {
            return None;
        }
        // The second field, the name, ends with the last bracket; the niceness is the 19th.
        let (_, behind) = stat.rsplit_once(')').expect("a name");
        let field = behind.split_ascii_whitespace().nth(16);
        Some(field.and_then(|nice| nice.parse().ok()).expect("a number"))
    });
    let nice: Vec<i32> = nice.collect();
    assert!(!nice.is_empty());
    assert_eq!(nice, vec![-20; nice.len()]);
}
