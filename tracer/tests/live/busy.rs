//! Every processor busy: the kernel's own threads take over much of the network's work, and none of the contacts.

use std::thread::available_parallelism;

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer,
    network::start,
    truth::{self, Busy},
};

/// With so many busy loops on each processor, softirq is left to `ksoftirqd` all the time.
const LOOPS: usize = 3;
/// Addresses that nobody else has, one for each program.
const PLACES: [(&str, &str); 2] = [("first", "127.7.0.1:7077"), ("second", "127.7.0.2:7077")];
/// Threads of each program. More than one, so that they get a share of the processors beside the loops.
const THREADS: u64 = 4;

/// Two programs connect at the same time, `times` in all, to a third.
fn check(times: u64) {
    let (directory, host) = (Directory::new("busy"), Namespace::new("ty"));
    let mut command = host.command(&directory.app("busy-server"));
    command.args(["--deadline", "7200", "serve", "--until-stdin-closes"]);
    command.arg("--listen").args(PLACES.map(|(_, place)| place));
    let server = Helper::start(&mut command, "ready");
    let tracer = Tracer::start(&[]);
    let processors = available_parallelism().expect("count processors").get();
    let loops: Vec<Busy> = (0..LOOPS * processors).map(|_| Busy::start()).collect();
    let running = PLACES.map(|(app, place)| {
        let mut command = host.command(&directory.app(app));
        command.args(["--deadline", "7200", "storm", "--to", place]);
        command.args(["--threads", &THREADS.to_string()]);
        command.args(["--times", &(times / 2).to_string()]);
        start(command)
    });
    let half = times / 2;
    let told = running.map(|child| {
        let output = child.wait_with_output().expect("wait for the generator");
        assert!(output.status.success(), "it ended with {}", output.status);
        let lines = truth::parse(str::from_utf8(&output.stdout).expect("text").lines());
        assert_eq!(truth::told(&lines), [half, half, 0, 0]);
        // A connect that the kernel has no port for sends no SYN, and is a contact all the same.
        truth::sum(&lines, "without_port")
    });
    drop(loops);
    assert_eq!(host.active_opens(), times);
    // A server that gets no processor for a while has a full queue.
    let accepted = times - host.reset_unaccepted();
    // One whose handshake the kernel ran no program for is told by its end.
    let metrics = tracer.wait_for("every connection has ended", |metrics| {
        truth::are_over(metrics, &[("app", "busy-server")], accepted)
    });
    let mut differences = Vec::new();
    let mut check = |labels: &[(&str, &str)], expected| {
        differences.extend(truth::differences(&metrics, labels, expected));
    };
    for ((app, place), without_port) in PLACES.into_iter().zip(told) {
        let (address, port) = place.split_once(':').expect("a port");
        let place = [
            ("destination", address),
            ("port", port),
            ("direction", "out"),
        ];
        let own = [place.as_slice(), &[("app", app)]].concat();
        for labels in [own.as_slice(), &place] {
            check(labels, [half + without_port, half, 0, 0]);
        }
    }
    // A port that nobody else has.
    let place = [("direction", "in"), ("port", "7077")];
    let own = [place.as_slice(), &[("app", "busy-server")]].concat();
    for labels in [own.as_slice(), &place] {
        check(labels, [accepted, accepted, 0, 0]);
    }
    let lines = server.finish();
    let told = truth::parse(lines.iter().map(String::as_str));
    assert_eq!(truth::sum(&told, "accepted"), accepted);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    metrics.assert_nothing_lost();
}

#[test]
fn with_busy_loops_on_every_processor_each_connect_is_its_callers() {
    let times = if crate::support::is_virtual() {
        2_000
    } else {
        50_000
    };
    check(times);
}

#[test]
#[ignore = "a minute of load, twenty under emulation; run it with --ignored"]
fn with_busy_loops_on_every_processor_each_of_a_million_connects_is_its_callers() {
    check(1_000_000);
}

#[test]
fn four_programs_that_connect_at_the_same_time_have_each_connection_once() {
    const APPS: [&str; 4] = ["four-0", "four-1", "four-2", "four-3"];
    const TIMES: u64 = 4_000;
    let (directory, host) = (Directory::new("four"), Namespace::new("tq"));
    // Room for all of it: on a busy machine nobody reads it for seconds.
    let tracer = Tracer::start(&["--map-capacity", "RECORDS=16777216"]);
    let running = APPS.map(|app| {
        let mut command = host.command(&directory.app(app));
        command.args(["storm", "--times", &TIMES.to_string()]);
        (app, start(command))
    });
    for (app, child) in running {
        let output = child.wait_with_output().expect("wait for the generator");
        assert!(
            output.status.success(),
            "{app} ended with {}",
            output.status
        );
    }
    let total = TIMES * APPS.len() as u64;
    assert_eq!(host.active_opens(), total);
    let ours = |metrics: &Metrics, family: &str, direction: &str| {
        APPS.map(|app| metrics.sum(family, &[("app", app), ("direction", direction)]))
    };
    let metrics = tracer.wait_for("every connection has ended", |metrics| {
        ["in", "out"]
            .iter()
            .all(|direction| ours(metrics, "tracer_connections_open", direction) == [0; 4])
    });
    for direction in ["in", "out"] {
        for family in [
            "tracer_connections_total",
            "tracer_connections_established_total",
        ] {
            assert_eq!(
                ours(&metrics, family, direction),
                [TIMES; 4],
                "{family}, {direction}"
            );
        }
        let failed = ours(&metrics, "tracer_connections_failed_total", direction);
        assert_eq!(failed, [0; 4], "{direction}");
    }
    metrics.assert_nothing_lost();
}
