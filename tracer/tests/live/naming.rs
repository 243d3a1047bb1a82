//! What names cost, and what they do not: no count, no byte, and nobody's payload.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    process::{Command, id},
    thread::sleep,
    time::Duration,
};

use crate::{
    named::{ONE, World, rows},
    support::{Helper, Metrics, Tracer, by_scope, truth, types_are_known},
};

const TO_ONE: &str = "tls,name=a.example,to=198.51.100.1:443";

/// What an app's contacts sum up to, under whatever names.
fn sums(metrics: &Metrics, app: &str) -> truth::Counts {
    truth::counted(metrics, &[("app", app), ("direction", "out")])
}

/// How many of them count under names of a source.
fn under(metrics: &Metrics, app: &str, source: &str) -> u64 {
    let labels = [("app", app), ("direction", "out"), ("name_source", source)];
    metrics.sum("tracer_connections_total", &labels)
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let app = world.directory.app("app");
    let mut command = world.network.client.command(&app);
    command.arg("named").args(arguments);
    command
}

fn ended(tracer: &Tracer, contacts: u64) -> Metrics {
    tracer.wait_for("its contacts have ended", |metrics| {
        truth::are_over(metrics, &[("app", "app"), ("direction", "out")], contacts)
    })
}

#[test]
fn with_names_off_nobody_has_one_and_nothing_is_looked_at() {
    let world = World::new("nameless");
    let tracer = Tracer::start(&["--names", "off"]);
    let asks = "lookup,name=a.example,to=10.77.0.2:53";
    truth::lines(command(&world, &[asks, TO_ONE]));
    let metrics = ended(&tracer, 2);
    assert_eq!(under(&metrics, "app", "none"), 2);
    assert_eq!(metrics.sum("tracer_lookups_total", &[]), 0);
    assert_eq!(metrics.sum("tracer_name_source_total", &[]), 0);
    let page = tracer.contacts("app=app");
    for contact in page["contacts"].as_array().expect("a list") {
        assert_eq!(contact["names"], serde_json::json!([]), "{contact}");
        assert_eq!(contact["hello"], false, "{contact}");
    }
    world.end();
}

#[test]
fn by_address_names_are_in_the_api_alone() {
    if !types_are_known() {
        return;
    }
    let world = World::new("addresses");
    let tracer = Tracer::start(&["--destinations", "address"]);
    truth::lines(command(&world, &[TO_ONE]));
    let metrics = ended(&tracer, 1);
    let place = ["198.51.100.1", "443", "none"].map(str::to_owned);
    assert_eq!(rows(&metrics, "app"), [(place.into(), 1)].into());
    // Whose it is, is known all the same.
    let owned = "tls,name=www.tiktok.com,to=198.51.100.3:443";
    truth::lines(command(&world, &[owned]));
    let metrics = ended(&tracer, 2);
    let company = [("destination", "198.51.100.3"), ("company", "TikTok")];
    assert_eq!(metrics.sum("tracer_connections_total", &company), 1);
    // And to whom that belongs, by which rules sum up.
    let info = [&company[..], &[("parent", "ByteDance")]].concat();
    assert_eq!(metrics.sum("tracer_destination_info", &info), 1);
    let page = tracer.contacts("app=app");
    assert_eq!(page["contacts"][1]["destination"], ONE, "{page}");
    assert_eq!(page["contacts"][1]["name_source"], "sni", "{page}");
    world.end();
}

#[test]
fn a_full_ring_of_names_costs_names_alone_and_says_how_many() {
    const TIMES: u64 = 400;
    if !types_are_known() {
        return;
    }
    let world = World::new("ring");
    let tracer = Tracer::start(&["--map-capacity", "NAMES=65536"]);
    tracer.signal(libc::SIGSTOP);
    truth::lines(command(&world, &["--times", &TIMES.to_string(), TO_ONE]));
    tracer.signal(libc::SIGCONT);
    let metrics = ended(&tracer, TIMES);
    let lost = metrics.sum("tracer_lost_total", &[("reason", "names_full")]);
    assert!(lost > 0, "there was room for all");
    assert_eq!(under(&metrics, "app", "sni"), TIMES - lost);
    assert_eq!(under(&metrics, "app", "none"), lost);
    let sent = sums(&metrics, "app")[2];
    assert_eq!(
        sent % TIMES,
        0,
        "{sent} bytes of contacts that are the same"
    );
    assert_eq!(sums(&metrics, "app"), [TIMES, TIMES, sent, 0]);
    world.end();
}

#[test]
fn contacts_that_were_shown_under_a_name_stay_there_though_their_ends_found_no_room() {
    if !types_are_known() {
        return;
    }
    for readings in by_scope(&[0][..], &[5, 0]) {
        shown_and_lost(*readings);
    }
}

/// So many readings come between the ends of the contacts and that of their program's last counters.
fn shown_and_lost(readings: u32) {
    const TIMES: u64 = 300;
    let world = World::new("ends");
    let tracer = Tracer::start(&["--map-capacity", "RECORDS=16384"]);
    let mut holds = command(&world, &["--hold", "--times", &TIMES.to_string(), TO_ONE]);
    let holder = Helper::start(&mut holds, "holding");
    let held = tracer.wait_for("all are shown", |metrics| {
        under(metrics, "app", "sni") == TIMES
    });
    let sent = sums(&held, "app")[2];
    tracer.signal(libc::SIGSTOP);
    holder.finish();
    tracer.signal(libc::SIGCONT);
    if readings > 0 {
        ended(&tracer, TIMES);
    }
    // For some readings it is not known whether the record of one comes yet.
    for _ in 0..readings {
        let metrics = tracer.metrics();
        assert_eq!(under(&metrics, "app", "sni"), TIMES);
        assert_eq!(sums(&metrics, "app"), [TIMES, TIMES, sent, 0]);
    }
    world.end();
    // Its program is gone, and has left its last counters.
    sleep(Duration::from_secs(6));
    for _ in 0..4 {
        let metrics = tracer.metrics();
        let lost = [("reason", "records_full")];
        let lost = metrics.sum("tracer_lost_total", &lost);
        assert!(lost > 0, "there was room for all");
        assert_eq!(under(&metrics, "app", "sni"), TIMES);
        assert_eq!(sums(&metrics, "app"), [TIMES, TIMES, sent, 0]);
    }
}

#[test]
fn payload_that_says_no_name_is_nowhere_in_the_tracers_memory() {
    if !types_are_known() {
        return;
    }
    let world = World::new("secret");
    let tracer = Tracer::start(&[]);
    let secret = format!("secret-{}-4f1a9c", id());
    let name = format!("public-{}.example", id());
    for play in [
        format!("tls,name={name},to=198.51.100.1:443"),
        format!("tls,name={name},to=198.51.100.1:443,pieces=7"),
        "plain,to=198.51.100.1:80".to_owned(),
    ] {
        truth::lines(command(&world, &["--payload", &secret, &play]));
    }
    ended(&tracer, 3);
    let memory = memory(tracer.child.id());
    let has = |text: &str| {
        let has = |part: &Vec<u8>| part.windows(text.len()).any(|part| part == text.as_bytes());
        memory.iter().any(has)
    };
    assert!(has(&name), "what is looked for is found");
    assert!(!has(&secret), "payload was copied");
    world.end();
}

#[test]
fn a_name_has_its_company_and_what_is_folded_keeps_it() {
    if !types_are_known() {
        return;
    }
    let world = World::new("company");
    let tracer = Tracer::start(&["--max-destinations-per-app", "1"]);
    let tls = |name: &str| format!("tls,name={name},to=198.51.100.1:443");
    let names = [
        "www.tiktok.com",
        "m.tiktok.com",
        "graph.facebook.com",
        "tiktok.example.org",
    ];
    for name in names {
        truth::lines(command(&world, &[&tls(name)]));
    }
    let metrics = ended(&tracer, names.len() as u64);
    let at = |destination: &str, company: &str| {
        let labels = [
            ("app", "app"),
            ("destination", destination),
            ("company", company),
        ];
        metrics.sum("tracer_connections_total", &labels)
    };
    // The first has the row that there is room for.
    assert_eq!(at("www.tiktok.com", "TikTok"), 1);
    assert_eq!(at("~other", "TikTok"), 1);
    assert_eq!(at("~other", "Meta"), 1);
    assert_eq!(at("~other", ""), 1);
    assert_eq!(sums(&metrics, "app")[0], names.len() as u64);
    let info = [("destination", "www.tiktok.com"), ("company", "TikTok")];
    assert_eq!(metrics.sum("tracer_destination_info", &info), 1);
    // Whom it belongs to is told of what is folded too.
    for (company, parent) in [("TikTok", "ByteDance"), ("Meta", "")] {
        let folded = [
            ("destination", "~other"),
            ("company", company),
            ("parent", parent),
        ];
        assert_eq!(metrics.sum("tracer_destination_info", &folded), 1);
    }
    let page = tracer.contacts("app=app");
    let owners: Vec<_> = page["contacts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|contact| contact["company"].as_str())
        .collect();
    // The newest first.
    let expected = [None, Some("Meta"), Some("TikTok"), Some("TikTok")];
    assert_eq!(owners, expected, "{page}");
    world.end();
}

/// All memory of a process that can be read.
fn memory(process: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("its memory map");
    let memory = fs::File::open(format!("/proc/{process}/mem")).expect("its memory");
    let part = |line: &str| {
        let (start, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (number(start)?, number(end)?);
        let mut bytes = vec![0; (end - start) as usize];
        let is_read = rest.starts_with('r') && memory.read_exact_at(&mut bytes, start).is_ok();
        is_read.then_some(bytes)
    };
    maps.lines().filter_map(part).collect()
}
