//! Random programs of socket calls, over a network that translates addresses and carries packets inside others: each is counted as its
//! own calls say, whoever it was led to.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Metrics, Tracer, ip, network::Network, run, scaled, truth},
};

/// Programs of the short run, and of the long one. A seed that finds something and is not among the first is run with them from then
/// on.
const FEW: u64 = 200;
const MANY: u64 = 10_000;
/// Programs that one tracer sees before it is asked.
const AT_ONCE: u64 = 100;

const RULES: &str = "
table ip shapes { chain out { type nat hook output priority -100;
  ip daddr 10.99.0.0/24 udp dport 53 dnat to 10.77.0.2:5353
  ip daddr 10.98.0.53 udp dport 53 dnat to 127.0.0.1:5353
  ip daddr 10.99.0.0/24 tcp dport 80 dnat to 10.77.0.2:8080
  ip daddr 10.98.0.53 tcp dport 80 dnat to 127.0.0.1:8080
}
}
table ip6 shapes { chain out { type nat hook output priority -100;
  ip6 daddr fd99::/64 udp dport 53 dnat to [fd77::2]:5353
  ip6 daddr fd99::/64 tcp dport 80 dnat to [fd77::2]:8080
}
}
";
/// Nobody names a place of these that another one is led to: a socket that names both cannot be told apart.
const UDP: [&str; 9] = [
    "10.77.0.2:7000",
    "[fd77::2]:7000",
    "127.0.0.1:7000",
    "10.99.0.1:53",
    "10.99.0.2:53",
    "10.98.0.53:53",
    "[fd99::1]:53",
    "[fd99::2]:53",
    "[fd97::1]:7000",
];
const TCP: [&str; 7] = [
    "10.77.0.2:7000",
    "[fd77::2]:7000",
    "127.0.0.1:7000",
    "10.99.0.1:80",
    "10.98.0.53:80",
    "[fd99::1]:80",
    "[fd97::1]:7000",
];

struct Shapes {
    directory: Directory,
    network: Network,
    servers: Vec<Helper>,
}

impl Shapes {
    fn new(hooks: &str) -> Self {
        let directory = Directory::new(&format!("shapes-{hooks}"));
        let network = Network::new();
        let (client, server) = (&network.client.0, &network.server.0);
        ip(&format!("-n {server} -6 addr add fd97::1/128 dev lo"));
        ip(&format!(
            "-n {client} -6 route add fd97::/64 encap seg6 mode encap segs fd77::2 dev c0"
        ));
        let set = "cd /proc/sys/net/ipv6/conf; for name in */seg6_enabled; do echo 1 > $name; done";
        run(network.server.command(Path::new("sh")).args(["-c", set]));
        let rules = directory.app("rules");
        fs::write(&rules, RULES).expect("write the rules");
        run(network
            .client
            .command(Path::new("nft"))
            .arg("-f")
            .arg(rules));
        let away = ["10.77.0.2", "[fd77::2]", "[fd97::1]"];
        let mut servers = Vec::new();
        for (host, addresses) in [
            (&network.server, &away[..]),
            (&network.client, &["127.0.0.1"]),
        ] {
            for (what, ports) in [("serve", [7000, 8080]), ("serve-datagrams", [7000, 5353])] {
                let mut command = host.command(&directory.app("server"));
                command.args([
                    what,
                    "--deadline",
                    "3600",
                    "--until-stdin-closes",
                    "--listen",
                ]);
                for address in addresses {
                    command.args(ports.map(|port| format!("{address}:{port}")));
                }
                servers.push(Helper::start(&mut command, "ready"));
            }
        }
        Self {
            directory,
            network,
            servers,
        }
    }

    /// The app of a seed's program, and what that says that it did.
    fn play(&self, seed: u64) -> (String, Vec<Value>) {
        let app = format!("shape-{seed}");
        let mut command = self.network.client.command(&self.directory.app(&app));
        command.args(["shapes", "--seed", &seed.to_string(), "--udp"]);
        let told = truth::lines({
            command.args(UDP).arg("--tcp").args(TCP);
            command
        });
        fs::remove_file(self.directory.app(&app)).expect("remove the program");
        (app, told)
    }
}

/// What the tracer says of an app otherwise than the app itself.
fn differences(metrics: &Metrics, app: &str, told: &[Value]) -> Vec<String> {
    let mut differences = truth::differences(metrics, &[("app", app)], truth::told(told));
    for line in told {
        let text = |field: &str| line[field].as_str().expect("text").to_owned();
        let (destination, protocol) = (text("destination"), text("protocol"));
        let port = line["port"].to_string();
        let labels = [
            ("app", app),
            ("direction", "out"),
            ("destination", &destination),
            ("port", &port),
            ("protocol", &protocol),
        ];
        let told = truth::told(std::slice::from_ref(line));
        differences.extend(truth::differences(metrics, &labels, told));
    }
    differences
}

fn check(hooks: &str, seeds: impl Iterator<Item = u64>) {
    let mut seeds = seeds.peekable();
    let shapes = Shapes::new(hooks);
    while seeds.peek().is_some() {
        let tracer = Tracer::start(&["--hooks", hooks]);
        let plays: Vec<_> = seeds
            .by_ref()
            .take(AT_ONCE as usize)
            .map(|seed| shapes.play(seed))
            .collect();
        let metrics = tracer.wait_for("all contacts have ended", |metrics| {
            plays
                .iter()
                .all(|(app, told)| truth::are_over(metrics, &[("app", app)], truth::told(told)[0]))
        });
        let differences: Vec<_> = plays
            .iter()
            .flat_map(|(app, told)| differences(&metrics, app, told))
            .collect();
        assert!(
            differences.is_empty(),
            "with {hooks}:\n{}",
            differences.join("\n")
        );
        metrics.assert_nothing_lost();
    }
    for server in shapes.servers {
        server.finish();
    }
}

#[test]
fn random_programs_are_counted_as_their_calls_say() {
    for hooks in ways() {
        check(hooks, 0..scaled(FEW));
    }
}

#[test]
#[ignore = "four minutes; run it with --ignored"]
fn ten_thousand_random_programs_are_counted_as_their_calls_say() {
    for hooks in ways() {
        check(hooks, FEW..FEW + scaled(MANY));
    }
}
