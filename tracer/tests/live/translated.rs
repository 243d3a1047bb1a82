//! A datagram counts for whom its call named and for who called, wherever the machine leads the packet and whoever lets it go on.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Metrics, Tracer, ip, network::Network, run, truth},
};

/// Of apps that ask for one of these, nothing is sent there: all is led to the server, or to one in the app's own namespace.
const RULES: &str = "
table ip lead { chain out { type nat hook output priority -100;
  ip daddr 10.99.0.0/24 udp dport 53 dnat to 10.77.0.2:5353
  ip daddr 10.98.0.53 udp dport 53 dnat to 127.0.0.1:5353
  ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:5354
}
}
table ip6 lead { chain out { type nat hook output priority -100;
  ip6 daddr fd99::/64 udp dport 53 dnat to [fd77::2]:5353
}
}
";

/// App, whom it asks for, and what it does.
type Play = (&'static str, &'static str, &'static str);

const LED: &[Play] = &[
    ("echo", "10.99.0.1:53", "--mode echo --sockets 5 --times 20"),
    (
        "threads",
        "10.99.0.2:53",
        "--mode echo --sockets 8 --times 20 --threads 4",
    ),
    (
        "connected",
        "10.99.0.3:53",
        "--mode echo-connected --sockets 5 --times 20",
    ),
    (
        "write",
        "10.99.0.3:53",
        "--mode echo-write --sockets 2 --times 20",
    ),
    (
        "batch",
        "10.99.0.4:53",
        "--mode sendmmsg --sockets 2 --times 64",
    ),
    (
        "corked",
        "10.99.0.5:53",
        "--mode corked --sockets 2 --times 10",
    ),
    (
        "segment",
        "10.99.0.6:53",
        "--mode segment --sockets 2 --times 20",
    ),
    (
        "large",
        "10.99.0.7:53",
        "--mode echo --times 5 --bytes 30000",
    ),
    (
        "mapped",
        "10.99.0.8:53",
        "--mode echo --sockets 5 --times 20 --v4-mapped",
    ),
    (
        "mapped-connected",
        "10.99.0.8:53",
        "--mode echo-connected --times 20 --v4-mapped",
    ),
    ("six", "[fd99::1]:53", "--mode echo --sockets 5 --times 20"),
    (
        "six-connected",
        "[fd99::2]:53",
        "--mode echo-connected --sockets 5 --times 20",
    ),
    (
        "redirected",
        "10.98.0.53:53",
        "--mode echo --sockets 5 --times 20",
    ),
    (
        "redirected-connected",
        "10.98.0.53:53",
        "--mode echo-connected --times 20",
    ),
    (
        "resolver",
        "127.0.0.11:53",
        "--mode echo --sockets 5 --times 20",
    ),
    // Not led anywhere, and beside it.
    (
        "direct",
        "10.77.0.2:5353",
        "--mode echo --sockets 5 --times 20",
    ),
    (
        "direct-connected",
        "[fd77::2]:5353",
        "--mode echo-connected --sockets 5 --times 20",
    ),
];
const SERVERS: [&str; 2] = ["10.77.0.2:5353", "[fd77::2]:5353"];
const INSIDE: [&str; 2] = ["127.0.0.1:5353", "127.0.0.11:5354"];
/// The first of three addresses of which the first two are led to the server.
const LASTING: &str = "10.99.0.254";
/// Addresses that one socket asks for in turns, all of them led to one.
const MANY: u64 = 8;

fn nft(network: &Network, directory: &Directory, rules: &str) {
    let file = directory.app("rules");
    fs::write(&file, rules).expect("write the rules");
    run(network.client.command(Path::new("nft")).arg("-f").arg(file));
}

/// Runs the generator as `app`.
fn play(network: &Network, directory: &Directory, app: &str, arguments: &str) -> Vec<Value> {
    let mut command = network.client.command(&directory.app(app));
    command.args(arguments.split(' '));
    truth::lines(command)
}

fn ended(tracer: &Tracer, app: &str, contacts: u64) -> Metrics {
    tracer.wait_for(&format!("{app}'s contacts have ended"), |metrics| {
        truth::are_over(metrics, &[("app", app)], contacts)
    })
}

/// Fails unless the app has contacts with whom it asked for, as it says, and with nobody else.
fn check(tracer: &Tracer, hooks: &str, (app, to, _): Play, protocol: &str, told: truth::Counts) {
    let metrics = ended(tracer, app, told[0]);
    let (address, port) = to.rsplit_once(':').unwrap_or((to, "0"));
    let address = address.trim_matches(['[', ']']);
    let all = [("app", app)];
    let asked = [
        ("app", app),
        ("direction", "out"),
        ("destination", address),
        ("port", port),
        ("protocol", protocol),
    ];
    assert_eq!(truth::counted(&metrics, &asked), told, "{app} with {hooks}");
    assert_eq!(truth::counted(&metrics, &all), told, "{app} with {hooks}");
}

/// What the API says of an app's contacts: to whom they were led instead.
fn led(tracer: &Tracer, app: &str) -> Vec<(Value, Value)> {
    let page = tracer.contacts(&format!("app={app}&limit=100"));
    let contacts = page["contacts"].as_array().expect("a list");
    let led = |contact: &Value| {
        (
            contact["translated_address"].clone(),
            contact["translated_port"].clone(),
        )
    };
    contacts.iter().map(led).collect()
}

#[test]
fn what_is_led_elsewhere_counts_for_whom_the_call_named() {
    for hooks in ways() {
        let (directory, network) = (Directory::new(&format!("led-{hooks}")), Network::new());
        nft(&network, &directory, RULES);
        let serve = |name, mut command: Command, places: &[&str]| {
            command.args(["serve-datagrams", "--until-stdin-closes", "--listen"]);
            (name, Helper::start(command.args(places), "ready"))
        };
        let away = network.server.command(&directory.app("server"));
        let inside = network.client.command(&directory.app("resolver-inside"));
        let servers = [
            serve("server", away, &SERVERS),
            serve("resolver-inside", inside, &INSIDE),
        ];
        let tracer = Tracer::start(&["--hooks", hooks]);
        for each in LED {
            let arguments = format!("datagrams --to {} {}", each.1, each.2);
            let told = play(&network, &directory, each.0, &arguments);
            check(&tracer, hooks, *each, "udp", truth::told(&told));
        }
        let arguments = format!("flood --to 10.99.0.20:53 --remotes {MANY} --repeat 5 --each");
        let each = play(&network, &directory, "many", &arguments);
        let metrics = ended(&tracer, "many", MANY);
        for (index, line) in each.iter().enumerate() {
            let address = format!("10.99.0.{}", 20 + index);
            let asked = [("app", "many"), ("destination", &*address), ("port", "53")];
            let told = truth::told(std::slice::from_ref(line));
            assert_eq!(truth::counted(&metrics, &asked), told, "{address}");
        }
        let all = truth::counted(&metrics, &[("app", "many")]);
        assert_eq!(all, truth::told(&each), "with {hooks}");
        // As long as it takes to get onto the fast path, where packets alone tell. The third address is led nowhere.
        let arguments = "flood --to 10.77.0.1:53 --remotes 3 --repeat 60 --pause 80 --each";
        let arguments = arguments.replace("10.77.0.1", LASTING);
        let each = play(&network, &directory, "lasting", &arguments);
        let metrics = ended(&tracer, "lasting", 3);
        for line in &each {
            let address = line["destination"].as_str().expect("an address");
            let asked = [("app", "lasting"), ("destination", address), ("port", "53")];
            let told = truth::told(std::slice::from_ref(line));
            assert_eq!(truth::counted(&metrics, &asked), told, "{address}");
        }
        let all = truth::counted(&metrics, &[("app", "lasting")]);
        assert_eq!(all, truth::told(&each), "with {hooks}");

        // A kprobe sees the call, and nothing of where it leads.
        let sees_packets = hooks == "cgroup";
        let server = ("10.77.0.2".into(), 5353.into());
        let expected = if sees_packets {
            server
        } else {
            Default::default()
        };
        assert_eq!(led(&tracer, "echo"), vec![expected.clone(); 5]);
        assert_eq!(led(&tracer, "connected"), vec![expected; 5]);
        assert_eq!(led(&tracer, "direct"), vec![Default::default(); 5]);

        for (name, server) in servers {
            let lines = server.finish();
            let told = truth::parse(lines.iter().map(String::as_str));
            let accepted = [("app", name), ("direction", "in")];
            let metrics = ended(&tracer, name, truth::sum(&told, "contacts"));
            for (field, family) in [
                ("contacts", "tracer_connections_total"),
                ("sent", "tracer_sent_bytes_total"),
                ("received", "tracer_received_bytes_total"),
            ] {
                let counted = metrics.sum(family, &accepted);
                assert_eq!(counted, truth::sum(&told, field), "{field} of {name}");
            }
        }
        tracer.metrics().assert_nothing_lost();
    }
}

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
        for &(app, protocol, arguments) in JUDGED {
            let told = truth::told(&play(&network, &directory, app, arguments));
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

#[test]
fn what_a_route_carries_inside_counts_for_whom_the_call_named() {
    for hooks in ways() {
        let (directory, network) = (Directory::new(&format!("inside-{hooks}")), Network::new());
        let (client, server) = (&network.client.0, &network.server.0);
        ip(&format!("-n {server} -6 addr add fd97::1/128 dev lo"));
        ip(&format!("-n {server} addr add 10.97.0.1/32 dev lo"));
        // By SRv6 (RFC 8754): the datagram is inside another packet.
        ip(&format!(
            "-n {client} -6 route add fd97::/64 encap seg6 mode encap segs fd77::2 dev c0"
        ));
        for (host, settings) in [
            (&network.client, "net/ipv4/conf/*/accept_source_route"),
            (
                &network.server,
                "net/ipv6/conf/*/seg6_enabled net/ipv4/conf/*/accept_source_route",
            ),
        ] {
            let set = format!("cd /proc/sys; for name in {settings}; do echo 1 > $name; done");
            run(host.command(Path::new("sh")).args(["-c", &set]));
        }
        let mut command = network.server.command(&directory.app("server"));
        command.args(["serve-datagrams", "--until-stdin-closes", "--listen"]);
        let places = ["[fd97::1]:7031", "10.97.0.1:7025"];
        let helper = Helper::start(command.args(places), "ready");
        let tracer = Tracer::start(&["--hooks", hooks]);
        let (inside, around) = ("[fd97::1]:7031", "10.97.0.1:7025");
        let plays: [Play; 4] = [
            ("inside", inside, "--mode echo --sockets 3 --times 10"),
            (
                "inside-connected",
                inside,
                "--mode echo-connected --sockets 3 --times 10",
            ),
            (
                "around",
                around,
                "--mode echo --sockets 3 --times 10 --through 10.77.0.2",
            ),
            (
                "around-connected",
                around,
                "--mode echo-connected --sockets 3 --times 10 --through 10.77.0.2",
            ),
        ];
        for each in plays {
            let arguments = format!("datagrams --to {} {}", each.1, each.2);
            let told = truth::told(&play(&network, &directory, each.0, &arguments));
            check(&tracer, hooks, each, "udp", told);
            let led = led(&tracer, each.0);
            assert_eq!(led, vec![Default::default(); 3], "nothing is translated");
        }
        helper.finish();
        tracer.metrics().assert_nothing_lost();
    }
}

#[test]
fn what_a_tunnel_carries_below_is_counted_once_above() {
    for hooks in ways() {
        let (directory, network) = (Directory::new(&format!("tunnel-{hooks}")), Network::new());
        for (host, link, remote, address) in [
            (&network.client, "c0", "10.77.0.2", "10.61.0.1"),
            (&network.server, "s0", "10.77.0.1", "10.61.0.2"),
        ] {
            let host = &host.0;
            ip(&format!(
                "-n {host} link add above type vxlan id 7 remote {remote} dstport 4789 dev {link}"
            ));
            ip(&format!("-n {host} addr add {address}/24 dev above"));
            ip(&format!("-n {host} link set above up"));
        }
        let to = "10.61.0.2:7000";
        let mut command = network.server.command(&directory.app("server"));
        command.args(["serve-datagrams", "--until-stdin-closes", "--listen", to]);
        let server = Helper::start(&mut command, "ready");
        let tracer = Tracer::start(&["--hooks", hooks]);
        for (app, mode) in [("above", "echo"), ("above-connected", "echo-connected")] {
            let arguments = format!("datagrams --to {to} --mode {mode} --sockets 4 --times 20");
            let told = truth::told(&play(&network, &directory, app, &arguments));
            check(&tracer, hooks, (app, to, ""), "udp", told);
        }
        server.finish();
        let metrics = tracer.metrics();
        let below = [("port", "4789")];
        assert_eq!(truth::counted(&metrics, &below), [0; 4], "with {hooks}");
        metrics.assert_all_have_an_app();
        metrics.assert_nothing_lost();
    }
}
