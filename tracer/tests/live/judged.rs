//! What a firewall in user space lets go on, in a context of its own, is its sender's.

use std::{fs, path::Path, process::Stdio};

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Tracer, network::Network, run, truth},
    translated::{ended, play},
};

/// Where the server answers.
const SERVERS: [&str; 2] = ["10.77.0.2:5353", "[fd77::2]:5353"];
/// Protocols whose packets are judged; 253 is that of the raw ones.
const QUEUED: [&str; 4] = ["udp", "icmp", "icmpv6", "253"];

/// Has what leaves wait for the firewall's word, in whichever of two ways the kernel knows.
fn queue(network: &Network) {
    let mut command = network.client.command(Path::new("nft"));
    let rules = format!(
        "table inet judge {{ chain out {{ type filter hook output priority 0; meta l4proto {{ {} }} oifname \"c0\" queue num 7; }}; }}",
        QUEUED.join(", ")
    );
    let is_done = command.arg(rules).stderr(Stdio::null()).status();
    if is_done.expect("start nft").success() {
        return;
    }
    for program in ["iptables", "ip6tables"] {
        for protocol in QUEUED {
            let rule = format!("-w -A OUTPUT -o c0 -p {protocol} -j NFQUEUE --queue-num 7");
            run(network
                .client
                .command(Path::new(program))
                .args(rule.split(' ')));
        }
    }
}

const JUDGED: &[(&str, &str, &str)] = &[
    (
        "sends",
        "udp",
        "datagrams --to 10.77.0.2:5353 --mode echo --sockets 5 --times 10",
    ),
    (
        "connects",
        "udp",
        "datagrams --to [fd77::2]:5353 --mode echo-connected --sockets 5 --times 10",
    ),
    (
        "pings",
        "icmp",
        "echo-requests --to 10.77.0.2 --mode ping --sockets 3 --times 4",
    ),
    (
        "raw-pings",
        "icmp",
        "echo-requests --to fd77::2 --mode raw --sockets 3 --times 4",
    ),
    (
        "leaves",
        "udp",
        "datagrams --to 10.77.0.2:5353 --mode send-to --sockets 3 --times 5",
    ),
    ("raw", "raw", "raw --to 10.77.0.2 --sockets 3 --times 4"),
];

#[test]
fn what_a_firewall_in_user_space_lets_go_on_is_its_senders() {
    for hooks in ways() {
        if hooks == "cgroup" && !fs::exists("/sys/kernel/btf/vmlinux").expect("ask for a file") {
            eprintln!("at the control group: this kernel does not tell who holds a socket");
            continue;
        }
        let (directory, network) = (Directory::new(&format!("judged-{hooks}")), Network::new());
        let mut command = network.server.command(&directory.app("server"));
        command.args(["serve-datagrams", "--until-stdin-closes", "--listen"]);
        let server = Helper::start(command.args(SERVERS), "ready");
        // Its sockets are older than the tracer.
        let mut command = network.client.command(&directory.app("older"));
        command.args("datagrams --to 10.77.0.2:5353 --mode echo --rounds --times 10".split(' '));
        let mut older = Helper::start(&mut command, "ready");
        older.say("once");
        older.line();
        let tracer = Tracer::start(&["--hooks", hooks]);
        let mut command = network.client.command(&directory.app("firewall"));
        let judge = Helper::start(command.args(["judge", "--queue", "7"]), "ready");
        queue(&network);
        older.say("again");
        let told: Value = serde_json::from_str(&older.line()).expect("a line of truth");
        let told = truth::told(&[told]);
        let metrics = tracer.metrics();
        let sent = metrics.sum("tracer_sent_bytes_total", &[("app", "older")]);
        assert_eq!(sent, told[2], "older with {hooks}");
        let firewall = truth::counted(&metrics, &[("app", "firewall")]);
        assert_eq!(firewall, [0; 4], "older with {hooks}");
        older.finish();
        // All of them first: what has ended is over two seconds later.
        let all = JUDGED
            .iter()
            .map(|(app, _, arguments)| truth::told(&play(&network, &directory, app, arguments)));
        for (&(app, protocol, _), told) in JUDGED.iter().zip(all.collect::<Vec<_>>()) {
            let metrics = ended(&tracer, app, told[0]);
            let of = |app| [("app", app), ("protocol", protocol)];
            assert_eq!(
                truth::counted(&metrics, &of(app)),
                told,
                "{app} with {hooks}"
            );
            assert_eq!(truth::counted(&metrics, &of("firewall")), [0; 4], "{app}");
            assert_eq!(truth::counted(&metrics, &of("")), [0; 4], "{app}");
        }
        let judged = truth::parse(judge.finish().iter().map(String::as_str));
        // One datagram at least for each of these, and most are several.
        assert!(truth::sum(&judged, "judged") > 100, "{judged:?}");
        server.finish();
        tracer.metrics().assert_nothing_lost();
    }
}
