//! Does each contact have the name that its app used? Real clients and real servers in namespaces of their own, and a truth for each
//! contact.

mod cases;
mod found;
mod names;
mod place;
mod play;
mod servers;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{ScopedJoinHandle, scope, sleep},
    time::{Duration, Instant},
};

use self::{
    cases::{BROWSER, Case, cases},
    found::{contacts, expected, latest},
    names::Names,
    place::Place,
    play::Player,
};
use crate::support::{Helper, Metrics, Tracer, patience, truth};

/// Cases that are played at a time: they wait more than they work.
const AT_A_TIME: usize = 4;
/// Between two scrapes while they are played.
const PAUSE: Duration = Duration::from_millis(100);

/// The cases of some tables, and their names.
fn chosen<'a>(all: &'a [(Case, Names)], tables: &[usize]) -> Vec<&'a (Case, Names)> {
    let chosen = all.iter().filter(|(case, _)| tables.contains(&case.table));
    chosen.collect()
}

/// Plays cases, and returns those programs that hold their contacts open.
fn play(player: &Player, cases: &[&(Case, Names)], beside: impl Fn()) -> Vec<Helper> {
    let (next, held) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    scope(|threads| {
        let one_by_one = || {
            while let Some((case, names)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let new = player.play(case, names);
                held.lock().expect("no other one failed").extend(new);
            }
        };
        let players: Vec<_> = (0..AT_A_TIME).map(|_| threads.spawn(one_by_one)).collect();
        while !players.iter().all(ScopedJoinHandle::is_finished) {
            beside();
            sleep(PAUSE);
        }
    });
    held.into_inner().expect("none failed")
}

/// How many contacts the app of a case has, how many of them are established, failed and open, and how many further ones are undecided.
fn state(metrics: &Metrics, case: &Case) -> [u64; 5] {
    [
        "total",
        "established_total",
        "failed_total",
        "open",
        "undecided",
    ]
    .map(|end| {
        metrics.sum(
            &format!("tracer_connections_{end}"),
            &[("app", &case.label())],
        )
    })
}

/// Whether all contacts of a case are decided, and over unless it holds them open.
fn is_told(metrics: &Metrics, case: &Case) -> bool {
    let [contacts, .., undecided] = state(metrics, case);
    let is_over = truth::is_over(metrics, &[("app", &case.label())]);
    undecided == 0 && contacts > 0 && (case.is_held() || is_over)
}

/// What the tracer says once all of them are told.
fn told(tracer: &Tracer, player: &Player, cases: &[&(Case, Names)]) -> Metrics {
    let deadline = Instant::now() + patience(30);
    let mut waiting: Vec<&Case> = cases.iter().map(|(case, _)| case).collect();
    loop {
        let metrics = tracer.metrics();
        waiting.retain(|case| !is_told(&metrics, case));
        if waiting.is_empty() {
            return metrics;
        }
        if Instant::now() > deadline {
            let states = waiting
                .iter()
                .map(|case| (case.app, state(&metrics, case), player.said(case.app)));
            let states: Vec<_> = states.collect();
            panic!(
                "contacts, of them established, failed, open, undecided; what was said: {states:#?}"
            );
        }
        sleep(PAUSE);
    }
}

/// Prints the table of cases, and fails where a contact has another name than expected. `found` says which contacts of those that are
/// expected there are.
fn compare(
    player: &Player,
    cases: &[&(Case, Names)],
    found: impl Fn(&Case, &[String]) -> Vec<String>,
) {
    let mut wrong = Vec::new();
    println!("\n| app | by | contacts | found |\n|---|---|---|---|");
    for (case, names) in cases {
        let expected = expected(&names.fill(case.contacts));
        let found = found(case, &expected);
        let is_right = found == expected;
        let (expected, found) = (expected.join(", "), found.join(", "));
        let shown = if is_right { "the same" } else { &found };
        let (app, by) = (case.app, case.by);
        println!("| {app} | {by} | {expected} | {shown} |");
        if !is_right {
            let (does, said) = (names.fill(case.does), player.said(app));
            wrong.push(format!("{app}: {found}, not {expected}\n{does}\n{said}"));
        }
    }
    println!("{} of {} are right", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_contact_has_the_name_that_its_app_used_or_none() {
    let all = cases();
    let place = Place::new(&all);
    let tracer = Tracer::start(&[]);
    let player = Player::new(&place);
    // Whoever asks decides what lives.
    let held = play(&player, &chosen(&all, &[0]), || {
        tracer.metrics();
    });
    play(&player, &chosen(&all, &[1]), || {});
    let cases = chosen(&all, &[0, 1]);
    let metrics = told(&tracer, &player, &cases);
    compare(&player, &cases, |case, expected| {
        contacts(&tracer, &metrics, &case.label(), case.is_held(), expected)
    });
    metrics.assert_nothing_lost();

    // What else is told of them.
    let chain = &latest(&tracer, "curl-alias")["names"][0]["chain"];
    assert_eq!(chain[0], "alias.curl-alias.example", "{chain}");
    assert_eq!(chain[1], "curl-alias.example", "{chain}");
    for (app, is_behind) in [
        ("curl-https", false),
        ("mail-curl", true),
        ("proxy-socks", true),
    ] {
        let offset = &latest(&tracer, app)["names"][0]["offset"];
        assert_eq!(offset.as_u64() > Some(0), is_behind, "{app}: {offset}");
    }
    let late = latest(&tracer, "held-late");
    assert_eq!(late["names"][0]["name"], "held-late.example", "{late}");
    assert_eq!(latest(&tracer, "curl-http2")["alpn"][0], "h2");
    assert_eq!(latest(&tracer, "ech-asked")["ech"], true);
    for (app, via, is_exact) in [
        ("curl-http", "getaddrinfo", true),
        ("asked-tcp", "getaddrinfo", true),
        ("asked-cache", "getaddrinfo", true),
        ("asked-as-musl", "dns", false),
        ("go-http", "dns", false),
    ] {
        let name = format!("{app}.example");
        let asked = |via| {
            let labels = [("app", app), ("destination", &*name), ("via", via)];
            metrics.sum("tracer_lookups_total", &labels)
        };
        assert!(asked(via) > 0, "{app}");
        // What its library asks DNS over its socket does not count once more.
        let calls = if is_exact { [1, 0] } else { [0, asked("dns")] };
        assert_eq!(["getaddrinfo", "dns"].map(asked), calls, "{app}");
    }

    // What the cases are about did happen.
    for (app, how, expected) in [
        ("asked-tcp", "tcp", true),
        ("asked-large", "udp", true),
        ("asked-large", "tcp", true),
        ("asked-cache", "udp", false),
    ] {
        let asked = [("app", app), ("protocol", how), ("port", "53")];
        let asked = metrics.sum("tracer_connections_total", &asked) > 0;
        assert_eq!(asked, expected, "{app} asks over {how}");
    }
    let behind = &latest(&tracer, "asked-nat64")["remote_address"];
    let prefix = behind.as_str().and_then(|text| text.split_once("::"));
    assert_eq!(
        prefix.map(|(prefix, _)| prefix),
        Some("64:ff9b"),
        "{behind}"
    );
    assert!(place.has_opened_fast(), "no SYN carried a hello");
    drop(held);
}

#[test]
fn each_contact_of_a_browser_has_the_name_that_it_used_or_none() {
    let all = cases();
    let place = Place::new(&all);
    let tracer = Tracer::start(&[]);
    let player = Player::new(&place);
    let cases = chosen(&all, &[2]);
    // All are one app: one after the other, and none of them has others' names.
    for (case, names) in &cases {
        player.play(case, names);
    }
    let metrics = told(&tracer, &player, &cases);
    let whole: Vec<_> = cases
        .iter()
        .map(|(case, names)| expected(&names.fill(case.contacts)))
        .collect();
    let whole: BTreeSet<String> = whole.into_iter().flatten().collect();
    let whole: Vec<String> = whole.into_iter().collect();
    let told = contacts(&tracer, &metrics, BROWSER, false, &whole);
    compare(&player, &cases, |_, expected| {
        let expected = expected.iter().filter(|contact| told.contains(contact));
        expected.cloned().collect()
    });
    assert_eq!(told, whole);
    metrics.assert_nothing_lost();
    assert_eq!(latest(&tracer, BROWSER)["ech"], true);
}
