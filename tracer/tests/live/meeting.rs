//! Connections that nobody listens for: two sockets that connect to each other at the same time, and one that connects to itself.

use std::process::Command;

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Metrics, Namespace, Tracer, truth},
};

/// App, protocol, its own address and the other's.
const MEETINGS: [[&str; 4]; 5] = [
    ["cross4", "tcp", "127.0.0.1:7101", "127.0.0.1:7102"],
    ["cross6", "tcp", "[::1]:7101", "[::1]:7102"],
    ["alone4", "tcp", "127.0.0.1:7103", "127.0.0.1:7103"],
    ["alone6", "tcp", "[::1]:7103", "[::1]:7103"],
    ["alone-udp", "udp", "127.0.0.1:7106", "127.0.0.1:7106"],
];

#[test]
fn who_connects_to_who_connects_has_begun_what_both_have() {
    for hooks in ways() {
        let (directory, host) = (
            Directory::new(&format!("meeting-{hooks}")),
            Namespace::new("tm"),
        );
        // The SYNs are under way long enough to cross, where the kernel can delay them.
        let mut command = Command::new("tc");
        let delay = "qdisc add dev lo root netem delay 50ms".split(' ');
        let is_slow = command.args(["-n", &host.0]).args(delay).status();
        let is_slow = is_slow.expect("start tc").success();
        let tracer = Tracer::start(&["--hooks", hooks]);
        let opened = host.active_opens();
        let mut connections = 0;
        for [app, protocol, one, other] in MEETINGS {
            if one != other && !is_slow {
                eprintln!("{app} cannot be had: this kernel delays no packets");
                continue;
            }
            let mut command = host.command(&directory.app(app));
            command.args(["meet", "--one", one, "--other", other]);
            if protocol == "udp" {
                command.arg("--udp");
            }
            let told = truth::lines(command);
            let all = truth::told(&told);
            let metrics = tracer.wait_for(&format!("{app} is over"), |metrics| {
                truth::are_over(metrics, &[("app", app)], all[0])
            });
            for line in &told {
                check(&metrics, app, protocol, line);
            }
            assert_eq!(
                truth::counted(&metrics, &[("app", app)]),
                all,
                "{app} with {hooks}"
            );
            if protocol == "tcp" {
                connections += all[0];
            }
        }
        assert_eq!(
            host.active_opens() - opened,
            connections,
            "the kernel's own count"
        );
        tracer.metrics().assert_nothing_lost();
    }
}

fn check(metrics: &Metrics, app: &str, protocol: &str, line: &Value) {
    let port = line["port"].to_string();
    let asked = [
        ("app", app),
        ("direction", "out"),
        (
            "destination",
            line["destination"].as_str().expect("an address"),
        ),
        ("port", &*port),
        ("protocol", protocol),
    ];
    let told = truth::told(std::slice::from_ref(line));
    assert_eq!(truth::counted(metrics, &asked), told, "{app} to {port}");
}
