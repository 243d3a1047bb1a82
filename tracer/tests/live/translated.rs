//! A datagram counts for whom its call named, wherever the machine translates its address to.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Metrics, Tracer, network::Network, run, truth},
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
pub type Play = (&'static str, &'static str, &'static str);

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
pub fn play(network: &Network, directory: &Directory, app: &str, arguments: &str) -> Vec<Value> {
    let mut command = network.client.command(&directory.app(app));
    command.args(arguments.split(' '));
    truth::lines(command)
}

pub fn ended(tracer: &Tracer, app: &str, contacts: u64) -> Metrics {
    tracer.wait_for(&format!("{app}'s contacts have ended"), |metrics| {
        truth::are_over(metrics, &[("app", app)], contacts)
    })
}

/// Fails unless the app has contacts with whom it asked for, as it says, and with nobody else.
pub fn check(
    tracer: &Tracer,
    hooks: &str,
    (app, to, arguments): (&str, &str, &str),
    protocol: &str,
    told: truth::Counts,
) {
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
    // All calls of a play hand over as much.
    let [sockets, times] = ["--sockets ", "--times "].map(|option| number(arguments, option));
    let of_a_call = told[2] / (sockets * times);
    for labels in [&asked[..], &all] {
        let differences = truth::differences_of_datagrams(&metrics, labels, told, of_a_call);
        assert!(
            differences.is_empty(),
            "{app} with {hooks}: {differences:?}"
        );
    }
}

/// The number behind an option of a play, else 1.
fn number(arguments: &str, option: &str) -> u64 {
    let (_, rest) = arguments.split_once(option).unwrap_or(("", "1"));
    let text = rest.split(' ').next().unwrap_or_default();
    text.parse().expect("a number")
}

/// What the API says of an app's contacts: to whom they were led instead.
pub fn led(tracer: &Tracer, app: &str) -> Vec<(Value, Value)> {
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
        // All of them first: what has ended is over two seconds later.
        let all = LED.iter().map(|each| {
            let arguments = format!("datagrams --to {} {}", each.1, each.2);
            truth::told(&play(&network, &directory, each.0, &arguments))
        });
        let all: Vec<_> = all.collect();
        let arguments = format!("flood --to 10.99.0.20:53 --remotes {MANY} --repeat 5 --each");
        let many = play(&network, &directory, "many", &arguments);
        // As long as it takes to get onto the fast path, where packets alone tell. The third address is led nowhere.
        let arguments = "flood --to 10.77.0.1:53 --remotes 3 --repeat 60 --pause 80 --each";
        let arguments = arguments.replace("10.77.0.1", LASTING);
        let lasting = play(&network, &directory, "lasting", &arguments);

        for (each, told) in LED.iter().zip(all) {
            check(&tracer, hooks, *each, "udp", told);
        }
        let metrics = ended(&tracer, "many", MANY);
        for (index, line) in many.iter().enumerate() {
            let address = format!("10.99.0.{}", 20 + index);
            let asked = [("app", "many"), ("destination", &*address), ("port", "53")];
            let told = truth::told(std::slice::from_ref(line));
            assert_eq!(truth::counted(&metrics, &asked), told, "{address}");
        }
        let all = truth::counted(&metrics, &[("app", "many")]);
        assert_eq!(all, truth::told(&many), "with {hooks}");
        let metrics = ended(&tracer, "lasting", 3);
        for line in &lasting {
            let address = line["destination"].as_str().expect("an address");
            let asked = [("app", "lasting"), ("destination", address), ("port", "53")];
            let told = truth::told(std::slice::from_ref(line));
            assert_eq!(truth::counted(&metrics, &asked), told, "{address}");
        }
        let all = truth::counted(&metrics, &[("app", "lasting")]);
        assert_eq!(all, truth::told(&lasting), "with {hooks}");

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
