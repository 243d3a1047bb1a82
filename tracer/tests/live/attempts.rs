//! Connects that never sent a SYN: each is counted, with the reason, on top of the kernel's own count.

use std::{fs, path::Path};

use crate::support::{Directory, Metrics, Namespace, Tracer, ip, run};

/// Failures that a program is told of, by what makes them, and the reason that the tracer gives where it is told the
/// error too (kprobes), and where it only sees the call begin (control group).
const PLAYS: &[(&str, &str, &str, [&str; 2])] = &[
    (
        "noroute4",
        "203.0.113.1:80",
        "ENETUNREACH",
        ["unreachable", "unreachable"],
    ),
    (
        "noroute6",
        "[2001:db8::1]:80",
        "ENETUNREACH",
        ["unreachable", "unreachable"],
    ),
    (
        "nohost4",
        "198.51.100.1:80",
        "EHOSTUNREACH",
        ["unreachable", "unreachable"],
    ),
    (
        "prohibited",
        "192.0.2.1:80",
        "EACCES",
        ["denied", "unreachable"],
    ),
    (
        "denied4",
        "127.0.0.1:80 --deny",
        "EPERM",
        ["denied", "denied"],
    ),
    ("denied6", "[::1]:80 --deny", "EPERM", ["denied", "denied"]),
];

const TIMES: u64 = 20;

fn check(hooks: &str) {
    let (directory, host) = (
        Directory::new(&format!("attempts-{hooks}")),
        Namespace::new("tz"),
    );
    ip(&format!(
        "-n {} route add unreachable 198.51.100.0/24",
        host.0
    ));
    ip(&format!("-n {} route add prohibit 192.0.2.0/24", host.0));
    let tracer = Tracer::start(&["--hooks", hooks]);
    for (app, to, errno, _) in PLAYS {
        let mut command = host.command(&directory.app(app));
        command.args([
            "attempts",
            "--errno",
            errno,
            "--times",
            &TIMES.to_string(),
            "--to",
        ]);
        run(command.args(to.split(' ')));
    }
    assert_eq!(host.active_opens(), 0);
    let failed =
        |metrics: &Metrics, app| metrics.sum("tracer_connections_failed_total", &[("app", app)]);
    let metrics = tracer.wait_for("every call is over", |metrics| {
        PLAYS.iter().all(|(app, ..)| failed(metrics, app) >= TIMES)
    });
    let tells_answers = tells_answers_of_others();
    for (app, _, errno, reasons) in PLAYS {
        let reason = match (hooks, *errno) {
            ("cgroup", "EPERM") if !tells_answers => "unreachable",
            ("cgroup", _) => reasons[1],
            _ => reasons[0],
        };
        let why = [("app", *app), ("reason", reason), ("direction", "out")];
        assert_eq!(
            metrics.sum("tracer_connections_failed_total", &why),
            TIMES,
            "{app}"
        );
        assert_eq!(failed(&metrics, app), TIMES, "{app}");
        let begun = metrics.begun("tracer_connections_total", &[("app", app)]);
        assert_eq!(begun, TIMES, "{app}");
    }
    metrics.assert_nothing_lost();
}

/// Whether the kernel tells a program what others have answered to a call before it, for all that its types say.
fn tells_answers_of_others() -> bool {
    const HELPER: &[u8] = b"BPF_FUNC_get_retval\0";
    fs::read("/sys/kernel/btf/vmlinux").map_or(true, |types| {
        types.windows(HELPER.len()).any(|part| part == HELPER)
    })
}

#[test]
fn a_connect_without_a_syn_is_a_failed_contact_at_the_control_group() {
    check("cgroup");
}

#[test]
fn a_connect_without_a_syn_is_a_failed_contact_with_kprobes() {
    if !fs::exists(Path::new("/sys/bus/event_source/devices/kprobe/type")).expect("ask for kprobes")
    {
        eprintln!("skipped: this kernel has no kprobes");
        return;
    }
    check("tracing");
}
