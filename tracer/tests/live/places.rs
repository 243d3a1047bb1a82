//! In which country and whose network is the address of a contact, and what happens when the files that say so change?

#[path = "../../src/enrich/mmdb/made.rs"]
#[expect(dead_code, reason = "unit tests use the rest of it")]
mod made;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    named::World,
    support::{Metrics, Tracer, free_address, ip, truth, under_test},
};

const COUNTRIES: &str = "server-country.mmdb";
const NETWORKS: &str = "origin-asn.mmdb";

/// Where the app goes, and how often.
const PLAYS: [(&str, u64); 5] = [
    ("plain,to=11.0.0.1:80", 3),
    ("plain,to=11.1.0.1:80", 2),
    ("plain,to=104.16.0.1:80", 4),
    ("tls,name=www.tiktok.com,to=11.0.0.1:443", 1),
    ("tls,name=www.tiktok.com,to=11.1.0.1:443", 2),
];

/// A world whose server has these addresses too.
fn world(name: &str) -> World {
    let world = World::new(name);
    for address in ["11.0.0.1", "11.1.0.1", "104.16.0.1"] {
        let server = &world.network.server.0;
        ip(&format!("-n {server} addr add {address}/32 dev s0"));
    }
    world
}

fn play(world: &World) {
    for (play, times) in PLAYS {
        let app = world.directory.app("app");
        let mut command = world.network.client.command(&app);
        command.args(["named", "--times", &times.to_string(), play]);
        truth::lines(command);
    }
}

/// Rows of the app: destination, company, country, and how many contacts.
fn rows(metrics: &Metrics) -> Vec<(String, String, String, u64)> {
    let labels = [("app", "app"), ("direction", "out")];
    let series = metrics.series("tracer_connections_total", &labels);
    let mut rows: Vec<_> = series
        .map(|(labels, count)| {
            let label = |name| labels.get(name).cloned().unwrap_or_default();
            (
                label("destination"),
                label("company"),
                label("country"),
                *count as u64,
            )
        })
        .collect();
    rows.sort();
    rows
}

fn expected(rounds: u64) -> Vec<(String, String, String, u64)> {
    [
        ("104.16.0.1", "", "", 4),
        ("11.0.0.1", "", "CN", 3),
        ("11.1.0.1", "", "SG", 2),
        ("www.tiktok.com", "TikTok", "CN", 1),
        ("www.tiktok.com", "TikTok", "SG", 2),
    ]
    .map(|(to, company, country, count)| {
        (
            to.to_owned(),
            company.to_owned(),
            country.to_owned(),
            rounds * count,
        )
    })
    .into()
}

fn ended(tracer: &Tracer, contacts: u64) -> Metrics {
    tracer.wait_for("its contacts have ended", |metrics| {
        truth::are_over(metrics, &[("app", "app"), ("direction", "out")], contacts)
    })
}

#[test]
fn a_contact_has_the_country_and_the_network_of_its_address_whatever_happens_to_the_files() {
    let world = world("places");
    let data = world.directory.0.join("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join(COUNTRIES), made::countries()).expect("write a file");
    fs::write(data.join(NETWORKS), made::networks()).expect("write a file");
    let tracer = Tracer::start(&["--data-dir", &data.display().to_string()]);
    let all: u64 = PLAYS.iter().map(|(_, times)| times).sum();

    play(&world);
    let metrics = ended(&tracer, all);
    assert_eq!(rows(&metrics), expected(1));
    check_info(&metrics);
    check_facts(&tracer);

    // One is written over, the other replaced by what is none; the writer waits no longer than the tracer needs for a copy.
    let began = Instant::now();
    fs::write(data.join(COUNTRIES), b"none").expect("write over it");
    assert!(began.elapsed() < Duration::from_secs(5), "it had to wait");
    fs::write(data.join("new"), b"none").expect("write a file");
    fs::rename(data.join("new"), data.join(NETWORKS)).expect("replace it");
    play(&world);
    let metrics = ended(&tracer, 2 * all);
    assert_eq!(rows(&metrics), expected(2));
    check_info(&metrics);
    metrics.assert_nothing_lost();
    let said = fs::read_to_string(&tracer.said).expect("what it says");
    assert!(said.contains("is used on until"), "{said}");
    world.end();
}

/// What is told of destinations.
fn check_info(metrics: &Metrics) {
    let check = |destination: &str, expected: &[(&str, &str)]| {
        let labels = [("destination", destination)];
        let series: Vec<_> = metrics.series("tracer_destination_info", &labels).collect();
        assert_eq!(series.len(), 1, "{destination}: {series:?}");
        for (label, value) in expected {
            let found = series[0].0.get(*label).map(String::as_str);
            assert_eq!(found, Some(*value), "{label} of {destination}");
        }
    };
    let data = |text: &str| format!("{} {text}", embedded());
    check(
        "11.0.0.1",
        &[
            ("network", "Volcano Engine Technology"),
            ("asn", "137718"),
            ("country", "CN"),
            ("company", ""),
            ("data", &data("network 2026-11-20 country 2026-11-20")),
        ],
    );
    check("104.16.0.1", &[("asn", "13335"), ("country", "")]);
    // Its addresses are in two networks and two countries.
    check(
        "www.tiktok.com",
        &[
            ("company", "TikTok"),
            ("network", ""),
            ("asn", ""),
            ("country", ""),
            ("data", &embedded()),
        ],
    );
}

/// The day of the embedded data.
fn embedded() -> String {
    let mut show = Command::new(under_test());
    show.args(["data", "show", "--json", "www.tiktok.com"]);
    let output = show.output().expect("run the tracer");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    shown["data"].as_str().expect("a day").to_owned()
}

/// What the API tells of one contact.
fn check_facts(tracer: &Tracer) {
    let page = tracer.contacts("app=app&destination=11.0.0.1");
    let contact = &page["contacts"][0];
    assert_eq!(contact["country"], "CN", "{page}");
    let facts = contact["facts"].as_array().expect("a list");
    let told: Vec<_> = facts
        .iter()
        .map(|fact| ["about", "value", "of"].map(|field| fact[field].as_str().expect("text")))
        .collect();
    let expected = [
        ["network", "AS137718 Volcano Engine Technology", "11.0.0.1"],
        ["network_company", "Volcano Engine", "AS137718"],
        ["parent", "ByteDance", "Volcano Engine"],
        ["country", "CN", "11.0.0.1"],
    ];
    assert_eq!(told, expected, "{page}");
    // Whose network it is says nothing of who was contacted.
    assert_eq!(contact["company"], serde_json::Value::Null, "{page}");
    let page = tracer.contacts("app=app&destination=104.16.0.1");
    let contact = &page["contacts"][0];
    assert_eq!(contact["country"], serde_json::Value::Null, "{page}");
    let facts = contact["facts"].as_array().expect("a list");
    assert!(
        facts.iter().any(|fact| fact["about"] == "anycast"),
        "{page}"
    );
}

/// How `tracer run` ends with these arguments, and what it says.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let mut run = Command::new(under_test());
    run.args(["run", "--listen", &free_address().to_string()])
        .args(arguments);
    let output = run.output().expect("run the tracer");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_database_that_cannot_be_used_is_told_and_only_one_that_was_named_ends_the_run() {
    let directory = crate::support::Directory::new("nodata");
    let check = |name: &str, content: &[u8], because: &str| {
        let path = directory.0.join(name);
        fs::write(&path, content).expect("write a file");
        let named = path.display().to_string();
        let (code, said) = refused(&["--country-db", &named]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(because), "{said}");
        assert!(said.contains("hint: give a database in"), "{said}");
    };
    check("odd", b"none", "no whole database");
    check("networks", &made::networks(), "it says no country");
    let absent = Path::new("/nowhere/countries.mmdb").display().to_string();
    let (code, said) = refused(&["--country-db", &absent]);
    assert_eq!(code, Some(2), "{said}");
    fs::write(directory.0.join(COUNTRIES), b"none").expect("write a file");
    let tracer = Tracer::start(&["--data-dir", &directory.0.display().to_string()]);
    let said = fs::read_to_string(&tracer.said).expect("what it says");
    assert!(said.contains("country database: none"), "{said}");
    assert!(said.contains("hint: `tracer data update`"), "{said}");
}
