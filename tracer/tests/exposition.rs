//! Is what a scraper reads what the snapshot holds, and is it written as the formats demand?

#[path = "exposition/known.rs"]
mod known;
#[path = "exposition/read.rs"]
mod read;

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
};

use tracer::{
    expose::{format::Format, own::OwnMetrics, text::Exposition},
    model::{
        Bypass, Bypasses, Country, DURATION_BOUNDS, Destination, Direction, Durations, HookState,
        Identity, Kind, Lookups, Loss, MapUse, NameSource, Protocol, Row, Snapshot, Totals,
        Unattributed, Via,
    },
};
use tracer_common::outcome;

use known::Known;
use read::read;

/// Family of each sample, its labels and its value, as they were read.
type Samples = BTreeMap<(String, Vec<(String, String)>), String>;

const HOSTILE: &str = "a\"} 1\n# EOF\n\\n{x=\"\\\\\",\r\0 é\u{1f980}";

fn identity(app: &str) -> Identity {
    let (user, version) = ("o\\\"\nne".into(), "1\n2".into());
    Identity {
        app: app.into(),
        user,
        uid: 1000,
        kind: Kind::Android,
        version,
    }
}

fn row(identity: u32, destination: Destination, totals: Totals) -> Row {
    Row {
        identity,
        destination,
        company: "",
        country: Country::new(*b"NL"),
        direction: Direction::Out,
        protocol: Protocol::Tcp,
        sums: (&totals).into(),
        open: totals.open,
    }
}

fn address(text: &str, port: u16) -> Destination {
    Destination::Address {
        address: text.parse().expect("an address"),
        port,
    }
}

fn named(text: &str, source: NameSource, port: u16) -> Destination {
    Destination::Named {
        name: text.into(),
        source,
        port,
    }
}

/// Of each kind some.
fn bypasses() -> Vec<Bypasses> {
    let kinds = Bypass::ALL.into_iter().zip(6..);
    let bypasses = kinds.map(|(kind, count)| Bypasses {
        identity: 2,
        kind,
        count,
    });
    bypasses.collect()
}

fn filled() -> Arc<Snapshot> {
    let failed = std::array::from_fn(|index| index as u64);
    let busy = Totals {
        connections: u64::MAX,
        established: 1 << 60,
        failed,
        open: 3,
        sent: (1 << 53) + 1,
        received: 0,
    };
    let older = Totals {
        open: 1,
        sent: 5,
        received: 7,
        ..Totals::default()
    };
    let mut durations = Durations::default();
    for seconds in [0.000_05, 0.000_1, 0.02, 5.0, 1e9] {
        durations.observe(seconds);
    }
    Arc::new(Snapshot {
        identities: Arc::new(vec![identity(""), identity("com.foo"), identity(HOSTILE)]),
        rows: vec![
            Arc::new(vec![
                row(1, address("192.0.2.1", 443), busy),
                row(2, address("2001:db8::1", 80), older),
                row(1, named(HOSTILE, NameSource::Dns, 443), busy),
                row(2, named(HOSTILE, NameSource::Dns, 443), busy),
            ]),
            Arc::new(vec![]),
            Arc::new(vec![
                row(0, Destination::Other, busy),
                Row {
                    company: "Example",
                    ..row(2, Destination::Other, busy)
                },
                row(0, Destination::Unknown, busy),
                Row {
                    direction: Direction::In,
                    ..row(2, Destination::Other, busy)
                },
            ]),
        ],
        connect_durations: vec![
            ("com.foo".into(), "", durations),
            (HOSTILE.into(), HOSTILE, durations),
        ],
        connection_durations: vec![
            (HOSTILE.into(), durations),
            ("com.foo".into(), Durations::default()),
        ],
        unattributed: Unattributed::ALL.into_iter().zip([4, 0, 9]).collect(),
        losses: vec![
            Loss {
                stage: "ring",
                reason: "full",
                count: 0,
            },
            Loss {
                stage: "map",
                reason: "full",
                count: 12,
            },
        ],
        folded: 8,
        maps: vec![MapUse {
            map: "counts",
            entries: 3,
            capacity: 65_536,
        }],
        tables: vec![("counts".into(), 131_200)],
        hooks: vec![
            HookState {
                signal: "connect",
                hook: "tcp_connect",
                attached: true,
                missed: 3,
            },
            HookState {
                signal: "close",
                hook: "tcp_close",
                attached: false,
                missed: 3,
            },
        ],
        undecided: vec![(1, Protocol::Tcp, 3), (2, Protocol::Udp, 4)],
        lookups: vec![Lookups {
            identity: 2,
            name: HOSTILE.into(),
            via: Via::Dns,
            count: 5,
        }],
        bypasses: bypasses(),
        facts: Some(Arc::new(Known)),
        name_sources: [1, 2, 3, 4, 5],
        ..Snapshot::default()
    })
}

fn written(snapshot: &Arc<Snapshot>, format: Format) -> String {
    let own = OwnMetrics::default();
    let chunks = Exposition::new(Arc::clone(snapshot), own.gather(), format);
    String::from_utf8(chunks.flatten().collect()).expect("UTF-8")
}

/// What a scraper must read of the snapshot.
fn expected(snapshot: &Snapshot) -> Samples {
    let mut samples = Samples::new();
    let mut add = |name: &str, labels: &[(&str, &str)], value: String| {
        let labels = labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        let series = (name.to_owned(), labels.collect());
        assert_eq!(
            samples.insert(series, value),
            None,
            "a series of {name} is there twice"
        );
    };
    rows(snapshot, &mut add);
    histograms(snapshot, &mut add);
    small(snapshot, &mut add);
    past_the_resolver(snapshot, &mut add);
    samples
}

/// Takes a name, labels and a value.
type Add<'a> = &'a mut dyn FnMut(&str, &[(&str, &str)], String);

fn rows(snapshot: &Snapshot, add: Add) {
    for row in snapshot.rows.iter().flat_map(|block| block.iter()) {
        let identity = &snapshot.identities[row.identity as usize];
        let mut source = "none";
        let (destination, port) = match &row.destination {
            Destination::Named {
                name,
                source: said,
                port,
            } => {
                source = said.label();
                (name.to_string(), port.to_string())
            }
            Destination::Address { address, port } => (address.to_string(), port.to_string()),
            Destination::Other => ("~other".to_owned(), String::new()),
            Destination::Unknown => (String::new(), String::new()),
        };
        let labels = [
            ("app", &*identity.app),
            ("user", &*identity.user),
            ("direction", row.direction.label()),
            ("destination", &destination),
            ("port", &port),
            ("protocol", "tcp"),
            ("company", row.company),
            ("country", row.country.label()),
            ("name_source", source),
        ];
        let totals = row.totals();
        if totals.connections > 0 {
            add(
                "tracer_connections_total",
                &labels,
                totals.connections.to_string(),
            );
            add(
                "tracer_connections_established_total",
                &labels,
                totals.established.to_string(),
            );
        }
        for (reason, count) in outcome::NAMES
            .into_iter()
            .zip(totals.failed)
            .filter(|(_, count)| *count > 0)
        {
            let labels: Vec<_> = labels.into_iter().chain([("reason", reason)]).collect();
            add(
                "tracer_connections_failed_total",
                &labels,
                count.to_string(),
            );
        }
        add("tracer_connections_open", &labels, totals.open.to_string());
        add("tracer_sent_bytes_total", &labels, totals.sent.to_string());
        add(
            "tracer_received_bytes_total",
            &labels,
            totals.received.to_string(),
        );
    }
}

fn histograms(snapshot: &Snapshot, add: Add) {
    let mut histogram = |name: &str, labels: &[(&str, &str)], durations: &Durations| {
        for (index, bound) in DURATION_BOUNDS
            .into_iter()
            .chain([f64::INFINITY])
            .enumerate()
        {
            let bound = if bound.is_finite() {
                format!("{bound:?}")
            } else {
                "+Inf".to_owned()
            };
            let labels: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
            let below: u64 = durations.buckets[..=index].iter().sum();
            add(&format!("{name}_bucket"), &labels, below.to_string());
        }
        add(&format!("{name}_sum"), labels, durations.sum.to_string());
        add(
            &format!("{name}_count"),
            labels,
            durations.count().to_string(),
        );
    };
    for (app, company, durations) in &snapshot.connect_durations {
        histogram(
            "tracer_connect_duration_seconds",
            &[("app", app), ("company", company)],
            durations,
        );
    }
    for (app, durations) in &snapshot.connection_durations {
        histogram(
            "tracer_connection_duration_seconds",
            &[("app", app)],
            durations,
        );
    }
}

fn past_the_resolver(snapshot: &Snapshot, add: Add) {
    for bypasses in &snapshot.bypasses {
        let identity = &snapshot.identities[bypasses.identity as usize];
        let labels = [
            ("app", &*identity.app),
            ("user", &*identity.user),
            ("kind", bypasses.kind.label()),
        ];
        add(
            "tracer_resolver_bypass_total",
            &labels,
            bypasses.count.to_string(),
        );
    }
}

fn small(snapshot: &Snapshot, add: Add) {
    for identity in snapshot.identities.iter().skip(1) {
        let (uid, kind) = (identity.uid.to_string(), identity.kind.label());
        let labels = [
            ("app", &*identity.app),
            ("user", &*identity.user),
            ("uid", &uid),
            ("kind", kind),
            ("version", &*identity.version),
        ];
        add("tracer_app_info", &labels, "1".to_owned());
    }
    for loss in &snapshot.losses {
        add(
            "tracer_lost_total",
            &[("stage", loss.stage), ("reason", loss.reason)],
            loss.count.to_string(),
        );
    }
    for (reason, count) in &snapshot.unattributed {
        add(
            "tracer_unattributed_connections_total",
            &[("reason", reason.label())],
            count.to_string(),
        );
    }
    add(
        "tracer_series_folded_total",
        &[],
        snapshot.folded.to_string(),
    );
    for (identity, protocol, count) in &snapshot.undecided {
        let identity = &snapshot.identities[*identity as usize];
        let labels = [
            ("app", &*identity.app),
            ("user", &*identity.user),
            ("direction", "out"),
            ("protocol", protocol.label()),
        ];
        add("tracer_connections_undecided", &labels, count.to_string());
    }
    for lookups in &snapshot.lookups {
        let identity = &snapshot.identities[lookups.identity as usize];
        let labels = [
            ("app", &*identity.app),
            ("user", &*identity.user),
            ("destination", &*lookups.name),
            ("via", lookups.via.label()),
        ];
        add("tracer_lookups_total", &labels, lookups.count.to_string());
    }
    known::destinations(snapshot, add);
    let sources = ["sni", "quic", "lookup", "dns", "none"];
    for (source, count) in sources.into_iter().zip(snapshot.name_sources) {
        add(
            "tracer_name_source_total",
            &[("source", source)],
            count.to_string(),
        );
    }
    for map in &snapshot.maps {
        add(
            "tracer_map_entries",
            &[("map", map.map)],
            map.entries.to_string(),
        );
        add(
            "tracer_map_capacity",
            &[("map", map.map)],
            map.capacity.to_string(),
        );
    }
    for (map, bytes) in &snapshot.tables {
        add("tracer_map_bytes", &[("map", map)], bytes.to_string());
    }
    for hook in &snapshot.hooks {
        let labels = [("signal", hook.signal), ("hook", hook.hook)];
        add(
            "tracer_hook_attached",
            &labels,
            u8::from(hook.attached).to_string(),
        );
        add("tracer_hook_missed_total", &labels, hook.missed.to_string());
    }
}

#[test]
fn what_is_read_is_what_the_snapshot_holds() {
    for snapshot in [filled(), Arc::default()] {
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let mut read = read(&written(&snapshot, format), format);
            for ((name, labels), value) in expected(&snapshot) {
                assert_eq!(
                    read.remove(&(name.clone(), labels.clone())),
                    Some(value),
                    "{name}{labels:?}"
                );
            }
            let build = read
                .iter()
                .find(|((name, _), _)| name == "tracer_build_info")
                .expect("a build");
            assert_eq!(
                build.0.1[1],
                ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())
            );
            let own = ["tracer_build_info", "tracer_scrape", "process_"];
            let unknown: Vec<_> = read
                .keys()
                .filter(|(name, _)| !own.iter().any(|own| name.starts_with(own)))
                .collect();
            assert!(unknown.is_empty(), "not in the snapshot: {unknown:?}");
        }
    }
}

#[test]
fn a_family_is_announced_where_nothing_was_lost() {
    let text = written(&Arc::default(), Format::Prometheus);
    assert!(
        text.contains("\n# TYPE tracer_lost_total counter\n"),
        "{text}"
    );
}

#[test]
fn an_identity_that_is_not_there_has_no_name() {
    let snapshot = Arc::new(Snapshot {
        rows: vec![Arc::new(vec![row(
            7,
            Destination::Other,
            Totals::default(),
        )])],
        ..Snapshot::default()
    });
    assert!(
        written(&snapshot, Format::Prometheus)
            .contains("\ntracer_connections_open{app=\"\",user=\"\",")
    );
}

#[test]
fn promtool_finds_nothing_to_say() {
    for snapshot in [filled(), Arc::default()] {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cannot run promtool; hint: apt-get install prometheus");
        let text = written(&snapshot, Format::Prometheus);
        promtool
            .stdin
            .take()
            .expect("a pipe")
            .write_all(text.as_bytes())
            .expect("promtool reads");
        let output = promtool.wait_with_output().expect("promtool ends");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}
