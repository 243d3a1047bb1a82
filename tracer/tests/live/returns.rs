//! More calls under way at a time than the kernel follows to their return.

use crate::support::{
    Directory, Metrics, Tracer,
    network::{Network, start},
    unserved,
};

/// Whom each app sends to: neighbours that never answer keep what goes to them in the senders' buffers, for seconds.
const APPS: [(&str, &str, bool); 3] = [
    ("waits4", "10.77.0.99:7000", false),
    ("waits6", "[fd77::99]:7000", false),
    ("waitsm", "10.77.0.98:7000", true),
];
/// Threads of each that wait at the same time: the kernels that are tried follow ten calls at the most by kretprobes.
const THREADS: u64 = 24;
/// Datagrams of each. A socket has room for the first few, and then for as many each time that the kernel gives its neighbour up.
const TIMES: u64 = 4;
const BYTES: u64 = 1000;

#[test]
fn what_many_calls_send_that_wait_at_a_time_is_counted_or_is_a_loss_of_so_many_calls() {
    let (directory, network) = (Directory::new("returns"), Network::new());
    let tracer = Tracer::start(&["--hooks", "tracing"]);
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
    let missed = missed(&metrics);
    assert_eq!(missed == 0, follows_all, "{missed} missed");
}
