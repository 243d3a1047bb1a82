//! More than fits: as fast as the machine can, maps too small, a reader that sleeps. Totals stay exact, losses are said.

use crate::support::{
    Directory, Helper, Metrics, Namespace, Tracer, by_scope, network::start, run, scaled,
};

/// What the generator says it did: the sum over its lines.
fn connections(output: &str) -> u64 {
    output
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of truth"))
        .map(|truth| truth["connections"].as_u64().expect("a count"))
        .sum()
}

/// Runs the generator as `app` in a namespace of its own, whose `ActiveOpens` must agree with it. Returns its count.
fn storm(host: &Namespace, directory: &Directory, app: &str, arguments: &str) -> u64 {
    let before = host.active_opens();
    let output = run(host.command(&directory.app(app)).args(arguments.split(' ')));
    let count = connections(&output);
    assert_eq!(
        host.active_opens() - before,
        count,
        "the kernel's ActiveOpens and the generator's count"
    );
    count
}

fn total(metrics: &Metrics, app: &str) -> u64 {
    metrics.begun("tracer_connections_total", &[("app", app)])
}

/// Fails unless the app has begun so many contacts, and where `established` is true, each of them was answered.
fn check(metrics: &Metrics, app: &str, truth: u64, established: bool) {
    let begun = [("app", app), ("direction", "out")];
    metrics.check("tracer_connections_total", &begun, truth);
    if established {
        metrics.check("tracer_connections_established_total", &begun, truth);
    }
}

/// Programs that the kernel side knows.
fn programs(metrics: &Metrics) -> u64 {
    metrics.sum("tracer_map_entries", &[("map", "processes")])
}

fn lost(metrics: &Metrics, reason: &str) -> u64 {
    metrics.sum("tracer_lost_total", &[("reason", reason)])
}

#[test]
fn two_threads_as_fast_as_they_can_lose_nothing() {
    let seconds = by_scope(3, 30);
    let (directory, host) = (Directory::new("storm"), Namespace::new("tx"));
    let tracer = Tracer::start(&[]);
    let arguments = format!("storm --threads 2 --seconds {seconds}");
    let truth = storm(&host, &directory, "storm", &arguments);
    let metrics = tracer.metrics();
    assert!(
        truth >= scaled(scaled(seconds * 10_000)),
        "too slow to be a storm: {truth}; hint: is the machine busy?"
    );
    check(&metrics, "storm", truth, true);
    for what in ["connect", "connection"] {
        let family = format!("tracer_{what}_duration_seconds_count");
        metrics.check(&family, &[("app", "storm")], truth);
    }
    metrics.assert_nothing_lost();
}

#[test]
fn a_ring_buffer_too_small_costs_details_and_no_count() {
    let (directory, host) = (Directory::new("ring"), Namespace::new("tr"));
    let tracer = Tracer::start(&["--map-capacity", "RECORDS=4096"]);
    let arguments = format!("storm --threads 2 --times {}", scaled(200_000));
    let truth = storm(&host, &directory, "storm", &arguments);
    let metrics = tracer.metrics();
    check(&metrics, "storm", truth, true);
    assert!(
        lost(&metrics, "records_full") > 0,
        "a ring of one page should overrun"
    );
    assert_each_detail_is_booked_or_lost(&tracer);
}

#[test]
fn a_ring_buffer_that_is_full_before_it_is_read_keeps_no_tracer_from_starting() {
    let (directory, host) = (Directory::new("full"), Namespace::new("tf"));
    let mut storm = host.command(&directory.app("storm"));
    storm.args(["storm", "--threads", "2", "--seconds", "60"]);
    let mut storm = start(storm);
    let tracer = Tracer::start(&["--map-capacity", "RECORDS=4096"]);
    let metrics = tracer.metrics();
    storm.kill().expect("end the storm");
    storm.wait().expect("wait for the storm");
    assert!(total(&metrics, "storm") > 0, "it contacted nobody");
    assert!(
        lost(&metrics, "records_full") > 0,
        "a ring of one page should overrun"
    );
}

/// Each contact that has ended is kept one by one, or is said to have found no room in the ring buffer: never both, nor neither.
fn assert_each_detail_is_booked_or_lost(tracer: &Tracer) {
    let contacts = tracer.contacts("limit=1");
    let number = |name: &str| contacts[name].as_u64().expect("a number");
    let metrics = tracer.metrics();
    let one_by_one = number("ended") + number("forgotten");
    let lost = lost(&metrics, "records_full");
    let all = metrics.sum("tracer_connections_total", &[]);
    let live = number("live");
    // Those of the question itself, and of the scrape behind it: both ends of each.
    let own = 4;
    let ended = all - live;
    let strangers = 2 * metrics.hidden(&[]);
    assert!(
        (one_by_one + lost).abs_diff(ended) <= own + strangers,
        "{one_by_one} one by one and {lost} lost of {ended}"
    );
}

/// Contacts begun by others than an app and this test, which scrapes.
fn strangers(metrics: &Metrics, app: &str) -> u64 {
    let test = std::env::current_exe().expect("the path of this test");
    let test = test.file_name().and_then(|name| name.to_str());
    let known = [app, test.expect("the name of this test")];
    metrics
        .series("tracer_connections_total", &[("direction", "out")])
        .filter(|(labels, _)| !known.contains(&labels["app"].as_str()))
        .map(|(_, contacts)| *contacts as u64)
        .sum()
}

#[test]
fn a_table_of_destinations_too_small_folds_and_keeps_each_apps_total() {
    let (directory, host) = (Directory::new("destinations"), Namespace::new("td"));
    let tracer = Tracer::start(&["--map-capacity", "DESTINATIONS=64,RECORDS=4096"]);
    let apps = ["alpha", "beta", "gamma"];
    // Nobody reads the ring buffer meanwhile.
    tracer.signal(libc::SIGSTOP);
    let truths = apps.map(|app| {
        let times = scaled(6000);
        let arguments = format!("storm --times {times} --destinations {}", times / 2);
        storm(&host, &directory, app, &arguments)
    });
    tracer.signal(libc::SIGCONT);
    let metrics = tracer.metrics();
    for (app, truth) in apps.into_iter().zip(truths) {
        check(&metrics, app, truth, true);
    }
    // They are counted by destination then, and where that has no room either, by program: all but some hundred.
    let all: u64 = truths.iter().sum();
    let folded = lost(&metrics, "destinations_full");
    assert!(
        (all..=lost(&metrics, "records_full")).contains(&(folded + 64 * 8)),
        "64 entries should not hold more: {folded} of {all} folded"
    );
    assert_eq!(
        metrics.sum("tracer_map_capacity", &[("map", "destinations")]),
        64
    );
}

#[test]
fn a_table_of_connections_too_small_costs_outcomes_and_no_attempt() {
    let (directory, host) = (Directory::new("connections"), Namespace::new("to"));
    let (held, room) = (scaled(8000), scaled(1000));
    let capacity = format!("CONNECTIONS={room}");
    let tracer = Tracer::start(&["--map-capacity", &capacity]);
    let programs = programs(&tracer.metrics());
    let mut server = host.command(&directory.app("server"));
    let server = Helper::start(
        server.args([
            "serve",
            "--until-stdin-closes",
            "--listen",
            "127.0.0.1:7000",
        ]),
        "ready",
    );
    let mut holder = host.command(&directory.app("holder"));
    let holder = Helper::start(
        holder
            .args(["hold", "--to", "127.0.0.1:7000", "--times"])
            .arg(held.to_string()),
        "holding",
    );
    let metrics = tracer.metrics();
    check(&metrics, "holder", held, false);
    let followed = metrics.begun("tracer_connections_established_total", &[("app", "holder")]);
    assert_eq!(
        metrics.begun("tracer_connections_open", &[("app", "holder")]),
        followed
    );
    // Both ends of each are here, and take their entries from the same table; nothing is left for those of this scrape.
    let both = followed + metrics.sum("tracer_connections_open", &[("app", "server")]);
    let open = metrics.sum("tracer_connections_open", &[("protocol", "tcp")]);
    assert_eq!(open, room);
    let lost = lost(&metrics, "connections_full");
    // Strangers take some of the room, or find none with either end.
    let strangers = 2 * strangers(&metrics, "holder");
    let least = 2 * held - both + 2;
    assert!(
        (least..=least + strangers).contains(&lost),
        "{lost} lost, not {least}; {strangers} of them may be of others"
    );
    holder.finish();
    server.finish();
    // What was not followed does not keep the program's entries for ever.
    tracer.wait_for("the program is forgotten", |metrics| {
        self::programs(metrics) <= programs
    });
    check(&tracer.metrics(), "holder", held, false);
}

#[test]
fn a_table_of_programs_too_small_leaves_the_machines_total_exact() {
    let (directory, host) = (Directory::new("programs"), Namespace::new("tp"));
    let tracer = Tracer::start(&["--map-capacity", "PROCESSES=4"]);
    let before = tracer.metrics();
    let apps: Vec<String> = (0..12).map(|number| format!("app{number}")).collect();
    let running: Vec<_> = apps
        .iter()
        .map(|app| {
            let mut command = host.command(&directory.app(app));
            command.args(["storm", "--times", &scaled(3000).to_string()]);
            command.args(["--pace", &scaled(1000).to_string()]);
            start(command)
        })
        .collect();
    let mut truth = 0;
    for child in running {
        let output = child.wait_with_output().expect("wait for the generator");
        truth += connections(&String::from_utf8(output.stdout).expect("text"));
    }
    let metrics = tracer.metrics();
    let named: u64 = apps.iter().map(|app| total(&metrics, app)).sum();
    let nobody = total(&metrics, "") - total(&before, "");
    assert_eq!(host.active_opens(), truth);
    assert!(named < truth, "4 entries should not name 12 apps");
    // The scrapes of this test may be among those that found no room.
    assert!(
        (truth..=truth + 4).contains(&(named + nobody)),
        "{named} + {nobody} of {truth}"
    );
    assert_eq!(
        metrics.sum(
            "tracer_unattributed_connections_total",
            &[("reason", "process_table_full")]
        ),
        metrics.sum("tracer_connections_total", &[("app", "")])
    );
    assert_eq!(
        lost(&metrics, "processes_full"),
        metrics.sum("tracer_connections_total", &[("app", "")])
    );
}

#[test]
fn a_reader_stopped_for_seconds_loses_details_that_it_counts_and_no_count() {
    let (directory, host) = (Directory::new("stopped"), Namespace::new("tz"));
    let tracer = Tracer::start(&[]);
    tracer.signal(libc::SIGSTOP);
    let mut command = host.command(&directory.app("storm"));
    command.args(["storm", "--threads", "2", "--seconds", by_scope("3", "10")]);
    let child = start(command);
    let truth = connections(
        &String::from_utf8(child.wait_with_output().expect("wait").stdout).expect("text"),
    );
    tracer.signal(libc::SIGCONT);
    let metrics = tracer.metrics();
    check(&metrics, "storm", truth, false);
    assert_eq!(host.active_opens(), truth);
    assert!(
        lost(&metrics, "records_full") > 0,
        "some seconds should overrun the ring"
    );
    assert_each_detail_is_booked_or_lost(&tracer);
}

#[test]
fn a_hundred_thousand_processes_are_counted_named_and_forgotten() {
    let (directory, host) = (Directory::new("processes"), Namespace::new("tn"));
    let mut server = host.command(&directory.app("server"));
    server.args([
        "--deadline",
        "600",
        "serve",
        "--until-stdin-closes",
        "--listen",
        "127.0.0.1:7000",
    ]);
    let server = Helper::start(&mut server, "ready");
    let tracer = Tracer::start(&[]);
    let programs_before = programs(&tracer.metrics());
    // The first ones show what the tracer needs while it works: as many at once as later, and as many as contacts are kept.
    let mut truth = storm(
        &host,
        &directory,
        "brief",
        "--deadline 600 processes --to 127.0.0.1:7000 --times 12000 --parallel 4",
    );
    // A few more than before may be others of this machine.
    let settled = |metrics: &Metrics| programs(metrics) <= programs_before + 10;
    tracer.wait_for("the first programs are forgotten", settled);
    let before = tracer.resident();
    truth += storm(
        &host,
        &directory,
        "brief",
        "--deadline 600 processes --to 127.0.0.1:7000 --times 88000 --parallel 4",
    );
    let metrics = tracer.wait_for("the programs are forgotten", settled);
    assert_eq!(truth, 100_000);
    check(&metrics, "brief", truth, true);
    metrics.assert_all_have_an_app();
    metrics.assert_nothing_lost();
    let after = tracer.resident();
    assert!(
        after * 10 <= before * 11,
        "memory went from {before} to {after} bytes"
    );
    server.finish();
}

#[test]
fn an_app_that_contacts_a_million_addresses_takes_a_bounded_place() {
    let (directory, host) = (Directory::new("scan"), Namespace::new("tm"));
    let tracer = Tracer::start(&[]);
    storm(&host, &directory, "neighbour", "storm --times 100");
    let truth = storm(
        &host,
        &directory,
        "scan",
        "storm --threads 2 --times 1000000 --destinations 1000000",
    );
    let metrics = tracer.metrics();
    check(&metrics, "scan", truth, false);
    check(&metrics, "neighbour", 100, false);
    assert_eq!(
        metrics
            .series(
                "tracer_connections_total",
                &[("app", "scan"), ("direction", "out")]
            )
            .count(),
        501
    );
    let in_other = metrics.begun(
        "tracer_connections_total",
        &[("app", "scan"), ("destination", "~other")],
    );
    assert_eq!(in_other, truth - 500);
    assert!(metrics.sum("tracer_series_folded_total", &[]) >= 100_000);
    assert!(tracer.resident() < 40 << 20, "{} bytes", tracer.resident());
    // Another app still gets its own rows once the scanner is gone.
    tracer.wait_for("the scanner is forgotten", |metrics| {
        metrics.sum("tracer_map_entries", &[("map", "destinations")]) < 100
    });
    storm(&host, &directory, "later", "storm --times 100");
    let metrics = tracer.metrics();
    check(&metrics, "scan", truth, false);
    assert_eq!(
        metrics.begun(
            "tracer_connections_total",
            &[("app", "later"), ("destination", "~other")]
        ),
        0
    );
    check(&metrics, "later", 100, false);
}
