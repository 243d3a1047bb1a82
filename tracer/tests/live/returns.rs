//! More calls under way at a time than the kernel follows to their return.

use std::{fs, panic::resume_unwind, thread};

use crate::support::{
    Directory, Metrics, Tracer,
    mount::mount_own,
    network::{Network, start},
    unserved,
};

/// Whom each app sends to: neighbours that never answer keep what goes to them in the senders' buffers, for seconds.
const APPS: [(&str, &str, bool); 3] = [
    ("waits4", "10.77.0.99:7000", false),
    ("waits6", "[fd77::99]:7000", false),
    ("waitsm", "10.77.0.98:7000", true),
];
/// Threads of each that wait at the same time: where tracefs is not there the kernels that are tried follow ten at the most.
const THREADS: u64 = 24;
/// Datagrams of each. A socket has room for the first few, and then for as many each time that the kernel gives its neighbour up.
const TIMES: u64 = 4;
const BYTES: u64 = 1000;

#[test]
fn what_many_calls_send_that_wait_at_a_time_is_counted() {
    let start = || Tracer::start(&["--hooks", "tracing"]);
    let tracer = start();
    assert_eq!(play(&tracer), 0, "missed");
    assert_eq!(events(), FUNCTIONS);
    // Killed, it leaves them behind.
    drop(tracer);
    assert_eq!(events(), FUNCTIONS);
    let next = start();
    assert_eq!(events(), FUNCTIONS, "the next one's");
    next.stop();
    assert_eq!(events(), 0);
}

/// Functions whose calls are followed to their return.
const FUNCTIONS: usize = 7;

/// Events that tracers have made in tracefs.
fn events() -> usize {
    let all = fs::read_to_string("/sys/kernel/tracing/kprobe_events").expect("the events");
    all.matches(":tracer/").count()
}

#[test]
fn where_tracefs_is_not_there_what_many_calls_send_is_counted_or_is_a_loss_of_so_many_calls() {
    let start = || {
        // It is in debugfs as well, where that is mounted.
        for place in [c"/sys/kernel/tracing", c"/sys/kernel/debug"] {
            mount_own(c"tmpfs", place);
        }
        Tracer::start(&["--hooks", "tracing"])
    };
    let tracer = thread::scope(|scope| scope.spawn(start).join());
    let tracer = tracer.unwrap_or_else(|panic| resume_unwind(panic));
    let missed = play(&tracer);
    let follows_all = !unserved().contains("datagram_returns");
    assert_eq!(missed == 0, follows_all, "{missed} missed");
}

/// How many calls were not followed, when all have returned.
fn play(tracer: &Tracer) -> u64 {
    let (directory, network) = (Directory::new("returns"), Network::new());
    let running = APPS.map(|(app, to, is_mapped)| {
        let mut command = network.client.command(&directory.app(app));
        command.args(["datagrams", "--mode", "send-to", "--to", to]);
        command.args(["--send-buffer", "1", "--bytes", &BYTES.to_string()]);
        command.args(["--times", &TIMES.to_string()]);
        for option in ["--threads", "--sockets"] {
            command.args([option, &THREADS.to_string()]);
        }
        command.args(is_mapped.then_some("--v4-mapped"));
        start(command)
    });
    for child in running {
        let output = child.wait_with_output().expect("wait for the generator");
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a truth");
        assert_eq!(told["sent"], THREADS * TIMES * BYTES, "{told}");
    }
    let sent = |metrics: &Metrics, app| metrics.sum("tracer_sent_bytes_total", &[("app", app)]);
    let missed = |metrics: &Metrics| {
        let reason = [("reason", "returns_missed")];
        metrics.sum("tracer_lost_total", &reason)
    };
    let all = APPS.len() as u64 * THREADS * TIMES * BYTES;
    let metrics = tracer.wait_for("each call is counted or lost", |metrics| {
        let counted: u64 = APPS.iter().map(|(app, ..)| sent(metrics, app)).sum();
        counted + missed(metrics) * BYTES == all
    });
    for (app, ..) in APPS {
        metrics.check(
            "tracer_connections_total",
            &[("app", app), ("protocol", "udp")],
            THREADS,
        );
    }
    let follows_all = !unserved().contains("datagram_returns");
    let attached = metrics.sum("tracer_hook_attached", &[("signal", "datagram_returns")]);
    assert_eq!(attached == 2, follows_all, "{attached} attached");
    missed(&metrics)
}
