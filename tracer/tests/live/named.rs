//! A contact goes to the name that its app said, or asked for; and to no other one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    programs::ways,
    support::{Directory, Helper, Metrics, Tracer, network::Network, truth, types_are_known},
};

/// An app, what it does, and where its contacts count: destination, port, how the name is known, and how many.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str, &'static str, u64)],
);

pub const ONE: &str = "a.example";
const TWO: &str = "b.example";
/// Names and their addresses. The first two share one.
const ANSWERS: [&str; 5] = [
    "a.example=198.51.100.1",
    "b.example=198.51.100.1",
    "c.example=198.51.100.3",
    "only.example=198.51.100.4",
    "private.example=10.77.0.2",
];

const CASES: &[Case] = &[
    (
        "whole",
        &["tls,name=a.example,to=198.51.100.1:443"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "any-port",
        &["tls,name=a.example,to=198.51.100.1:8443"],
        &[(ONE, "8443", "sni", 1)],
    ),
    (
        "pieces",
        &["tls,name=a.example,to=198.51.100.1:443,pieces=9"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "bytes",
        &["tls,name=a.example,to=198.51.100.1:443,pieces=1000"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "records",
        &["tls,name=a.example,to=198.51.100.1:443,records=40"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "records-in-pieces",
        &["tls,name=a.example,to=198.51.100.1:443,records=3,pieces=50"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "long",
        &["tls,name=a.example,to=198.51.100.1:443,padding=9000"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "late",
        &["tls,name=a.example,to=198.51.100.1:443,after=300"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "vectors",
        &["tls,name=a.example,to=198.51.100.1:443,vectors"],
        &[(ONE, "443", "sni", 1)],
    ),
    (
        "too-late",
        &["tls,name=a.example,to=198.51.100.1:443,after=20000"],
        &[("198.51.100.1", "443", "none", 1)],
    ),
    // Each connection ends behind what names are looked for in, and the next has its ports.
    (
        "one-port",
        &[
            "tls,name=a.example,to=198.51.100.1:443,from=4077,behind=40000",
            "tls,name=b.example,to=198.51.100.1:443,from=4077,behind=40000",
            "tls,name=a.example,to=198.51.100.1:443,from=4077,behind=40000",
            "plain,to=198.51.100.1:443,from=4077",
        ],
        &[
            (ONE, "443", "sni", 2),
            (TWO, "443", "sni", 1),
            ("198.51.100.1", "443", "none", 1),
        ],
    ),
    (
        "two-names",
        &[
            "lookup,name=a.example,to=10.77.0.2:53",
            "lookup,name=b.example,to=10.77.0.2:53",
            "tls,name=a.example,to=198.51.100.1:443",
            "tls,name=b.example,to=198.51.100.1:443",
            "plain,to=198.51.100.1:80",
        ],
        &[
            ("10.77.0.2", "53", "none", 2),
            (ONE, "443", "sni", 1),
            (TWO, "443", "sni", 1),
            (TWO, "80", "lookup", 1),
        ],
    ),
    (
        "asked",
        &[
            "lookup,name=c.example,to=10.77.0.2:53",
            "plain,to=198.51.100.3:80",
            "tls,to=198.51.100.3:443",
        ],
        &[
            ("10.77.0.2", "53", "none", 1),
            ("c.example", "80", "lookup", 1),
            ("c.example", "443", "lookup", 1),
        ],
    ),
    (
        "asked-connected",
        &[
            "lookup,name=c.example,to=10.77.0.2:53,connected",
            "plain,to=198.51.100.3:80",
        ],
        &[
            ("10.77.0.2", "53", "none", 1),
            ("c.example", "80", "lookup", 1),
        ],
    ),
    (
        "asked-privately",
        &[
            "lookup,name=private.example,to=10.77.0.2:53",
            "plain,to=10.77.0.2:80",
        ],
        &[
            ("10.77.0.2", "53", "none", 1),
            ("private.example", "80", "lookup", 1),
        ],
    ),
    (
        "asks-only",
        &["lookup,name=only.example,to=10.77.0.2:53"],
        &[("10.77.0.2", "53", "none", 1)],
    ),
    // Behind it: only the last one asked for that address.
    (
        "told",
        &["plain,to=198.51.100.4:80", "tls,to=198.51.100.4:443"],
        &[
            ("only.example", "80", "dns", 1),
            ("198.51.100.4", "443", "none", 1),
        ],
    ),
    (
        "literal",
        &["plain,to=198.51.100.1:80"],
        &[("198.51.100.1", "80", "none", 1)],
    ),
    (
        "grease",
        &[
            "lookup,name=a.example,to=10.77.0.2:53",
            "tls,name=a.example,ech,to=198.51.100.1:443",
        ],
        &[("10.77.0.2", "53", "none", 1), (ONE, "443", "sni", 1)],
    ),
    (
        "hidden",
        &[
            "lookup,name=c.example,to=10.77.0.2:53",
            "tls,name=cloudflare-ech.com,ech,to=198.51.100.3:443",
        ],
        &[
            ("10.77.0.2", "53", "none", 1),
            ("c.example", "443", "lookup", 1),
        ],
    ),
    (
        "quic",
        &["quic,name=a.example,to=198.51.100.1:443"],
        &[(ONE, "443", "quic", 1)],
    ),
    (
        "quic-2",
        &["quic,name=a.example,v2,to=198.51.100.1:443"],
        &[(ONE, "443", "quic", 1)],
    ),
    (
        "quic-pieces",
        &["quic,name=a.example,pieces=3,reversed,to=198.51.100.1:8443"],
        &[(ONE, "8443", "quic", 1)],
    ),
];

/// DNS over TCP: at the cgroup the answers are seen too, with kprobes only the questions.
const OVER_TCP: Case = (
    "asked-over-tcp",
    &[
        "lookup,name=c.example,over=tcp,to=10.77.0.2:53",
        "plain,to=198.51.100.3:80",
    ],
    &[
        ("10.77.0.2", "53", "none", 1),
        ("c.example", "80", "lookup", 1),
    ],
);

pub struct World {
    pub network: Network,
    pub directory: Directory,
    helpers: Vec<Helper>,
}

impl World {
    pub fn new(name: &str) -> Self {
        let (directory, network) = (Directory::new(name), Network::new());
        for at in 1..=4 {
            crate::support::ip(&format!(
                "-n {} addr add 198.51.100.{at}/32 dev s0",
                network.server.0
            ));
        }
        let mut names = network.server.command(&directory.app("resolver"));
        names.args(["serve-names", "--listen", "10.77.0.2:53"]);
        for answer in ANSWERS {
            names.args(["--answer", answer]);
        }
        let places = ["0.0.0.0:80", "0.0.0.0:443", "0.0.0.0:8443"];
        let mut server = network.server.command(&directory.app("server"));
        server
            .args(["serve", "--until-stdin-closes", "--listen"])
            .args(places);
        let mut datagrams = network.server.command(&directory.app("datagrams"));
        datagrams
            .args(["serve-datagrams", "--until-stdin-closes", "--listen"])
            .args(["0.0.0.0:443", "0.0.0.0:8443"]);
        let helpers =
            [&mut names, &mut server, &mut datagrams].map(|one| Helper::start(one, "ready"));
        Self {
            network,
            directory,
            helpers: helpers.into(),
        }
    }

    fn play(&self, app: &str, plays: &[&str]) {
        let mut command = self.network.client.command(&self.directory.app(app));
        command.arg("named").args(plays);
        truth::lines(command);
    }

    pub fn end(self) {
        for helper in self.helpers {
            helper.finish();
        }
    }
}

pub type Rows = BTreeMap<(String, String, String), u64>;

/// Where an app's contacts count.
pub fn rows(metrics: &Metrics, app: &str) -> Rows {
    metrics
        .series(
            "tracer_connections_total",
            &[("app", app), ("direction", "out")],
        )
        .map(|(labels, count)| {
            let label = |name: &str| labels[name].clone();
            let place = (label("destination"), label("port"), label("name_source"));
            (place, *count as u64)
        })
        .collect()
}

fn expected(case: &Case) -> Rows {
    let rows = case.2.iter().map(|(destination, port, source, count)| {
        let place = [destination, port, source].map(|text| (*text).to_owned());
        let [destination, port, source] = place;
        ((destination, port, source), *count)
    });
    rows.collect()
}

/// Whether a row is as expected, or of as many contacts without a name, at least one of them.
fn is_without_names(found: &Rows, expected: &Rows) -> bool {
    let count = |rows: &Rows| rows.values().sum::<u64>();
    found != expected
        && count(found) == count(expected)
        && found
            .keys()
            .all(|place| place.2 == "none" || expected.contains_key(place))
}

#[test]
fn each_contact_has_the_name_that_its_app_said_or_asked_for() {
    if !types_are_known() {
        return;
    }
    for hooks in ways() {
        let world = World::new(&format!("named-{hooks}"));
        let tracer = Tracer::start(&["--hooks", hooks]);
        let mut cases = CASES.to_vec();
        if hooks == "cgroup" {
            cases.push(OVER_TCP);
        }
        for case in &cases {
            world.play(case.0, case.1);
        }
        let metrics = tracer.wait_for("all contacts have ended", |metrics| {
            cases.iter().all(|case| {
                let contacts = case.2.iter().map(|row| row.3).sum();
                truth::are_over(metrics, &[("app", case.0)], contacts)
            })
        });
        // With kprobes a piece of a hello may come where the kernel runs none, as it says: then there is no name, and no wrong one.
        let mut excused = metrics.sum("tracer_hook_missed_total", &[("signal", "names")]);
        let mut wrong = Vec::new();
        for case in &cases {
            let (found, expected) = (rows(&metrics, case.0), expected(case));
            if excused > 0 && is_without_names(&found, &expected) {
                excused -= 1;
            } else if found != expected {
                let page = tracer.contacts(&format!("app={}&limit=100", case.0));
                wrong.push(format!("{}: {found:?}, not {expected:?}: {page}", case.0));
            }
        }
        assert!(wrong.is_empty(), "{hooks}: {}", wrong.join("\n"));
        let metrics = tracer.metrics();
        metrics.assert_nothing_lost();
        let asked = |app: &str, name: &str| {
            let labels = [("app", app), ("destination", name), ("via", "dns")];
            metrics.sum("tracer_lookups_total", &labels)
        };
        assert_eq!(asked("two-names", ONE), 1);
        assert_eq!(asked("two-names", TWO), 1);
        assert_eq!(asked("asks-only", "only.example"), 1);
        assert_eq!(asked("literal", ONE), 0);
        let late = tracer.contacts("app=late");
        let names: &Value = &late["contacts"][0]["names"];
        assert_eq!(names[0]["offset"], 300, "{late}");
        assert_eq!(late["contacts"][0]["alpn"][0], "h2", "{late}");
        world.end();
    }
}
