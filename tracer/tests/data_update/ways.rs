//! Tables that come as they should, in every way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::server::{self, Server, file, not_found, ok};
use super::tables::{NEW, country, network, sum, table};
use super::world::{COUNTRY, NETWORK, World, path};

/// A server of both tables, perhaps with their sums.
fn mirror(with_sums: bool) -> (Server, [Vec<u8>; 2]) {
    let tables = [table(network, NEW), table(country, NEW)];
    let kept = tables.clone();
    let server = Server::start(move |request| {
        let [networks, countries] = &kept;
        let sum_of = |bytes, name| ok(format!("{}  {name}\n", sum(bytes)).as_bytes(), "");
        match request.path() {
            "/m/origin-asn.mmdb" => file(request, networks, "\"n1\""),
            "/m/server-country.mmdb" => file(request, countries, "\"c1\""),
            "/m/origin-asn.mmdb.sha256" if with_sums => sum_of(networks, NETWORK),
            "/m/server-country.mmdb.sha256" if with_sums => sum_of(countries, COUNTRY),
            _ => not_found(),
        }
    });
    (server, tables)
}

#[test]
fn both_tables_come_with_a_lock_and_the_second_time_their_sums_alone_are_asked_for() {
    let world = World::new();
    let (server, [networks, countries]) = mirror(true);
    let from = format!("{}/m", server.url());
    let said = world.contacting(4, || world.update(&["--from", &from]));
    let said = said.check(0, &["checked by the SHA-256 published beside the table"]);
    // What is contacted and written is said before any of it is done.
    let plan = format!(
        "read     {from}/{NETWORK}\nits sum  {from}/{NETWORK}.sha256\nwrite    {}/{NETWORK}, licence unknown\n",
        world.data().display()
    );
    assert!(said.text.starts_with(&plan), "{}", said.text);
    assert_eq!(
        server.lines(),
        [
            "GET /m/origin-asn.mmdb.sha256",
            "GET /m/origin-asn.mmdb",
            "GET /m/server-country.mmdb.sha256",
            "GET /m/server-country.mmdb",
        ]
    );
    let files = world.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["lock.json", NETWORK, COUNTRY]);
    assert_eq!([&files[NETWORK], &files[COUNTRY]], [&networks, &countries]);
    for name in names {
        let mode = fs::metadata(world.data().join(name)).expect("a file");
        assert_eq!(mode.permissions().mode() & 0o7777, 0o644, "{name}");
    }
    let entry = &world.lock()["files"][NETWORK]["current"];
    assert_eq!(entry["from"], format!("{from}/{NETWORK}"));
    assert_eq!(entry["sha256"], sum(&networks));
    assert_eq!(entry["size"], networks.len());
    assert_eq!(entry["build_epoch"], NEW);
    assert_eq!(entry["etag"], "\"n1\"");
    assert_eq!(entry["licence"], "unknown");
    assert!(
        entry["fetched"]
            .as_u64()
            .is_some_and(|when| when > 1_700_000_000)
    );
    world.verify().check(0, &["as locked"]);

    let again = world.contacting(2, || world.update(&["--from", &from]));
    again.check(0, &["up to date: it has the sum that it should have"]);
    assert_eq!(
        server.lines(),
        [
            "GET /m/origin-asn.mmdb.sha256",
            "GET /m/server-country.mmdb.sha256"
        ]
    );
    assert_eq!(world.files(), files);
}

#[test]
fn where_no_sum_is_published_the_server_is_asked_whether_it_has_another_version() {
    let world = World::new();
    let (server, [networks, _]) = mirror(false);
    let from = format!("{}/m/{NETWORK}", server.url());
    let run = || world.update(&["--from", &from]);
    let said = world.contacting(2, run);
    said.check(
        0,
        &[
            "no sum is published there",
            "checked by the size that the server said, and its form",
        ],
    );
    let files = world.files();
    assert_eq!(files[NETWORK], networks);
    server.take();
    let said = world.contacting(2, run);
    said.check(0, &["up to date: the server has no other version"]);
    let asked = server.take();
    assert_eq!(asked[1].header("if-none-match"), Some("\"n1\""));
    assert_eq!((asked[1].sent, asked.len()), (0, 2));
    assert_eq!(world.files(), files);
    // With another file in its place, what the server has is not what is here.
    fs::write(world.data().join(NETWORK), table(network, NEW - 1)).expect("another table");
    world.verify().check(1, &["CHANGED", "hint: "]);
    let said = world.contacting(2, run);
    said.check(
        0,
        &["the file is not the one that the lock names", "replaced"],
    );
    assert_eq!(server.take()[1].header("if-none-match"), None);
    assert_eq!(world.files()[NETWORK], networks);
    world.verify().check(0, &["as locked"]);
}

#[test]
fn a_real_server_gives_both_tables_and_says_that_they_have_not_changed() {
    let world = World::new();
    let shelf = world.folder.join("shelf");
    fs::create_dir_all(&shelf).expect("a folder");
    let networks = table(network, NEW);
    fs::write(shelf.join(NETWORK), &networks).expect("a table");
    let port = super::tls::free_port();
    let mut command = Command::new("python3");
    command.args(["-m", "http.server", "--bind", "127.0.0.1"]);
    command.args([&port.to_string(), "--directory", &path(&shelf)]);
    let _server = super::tls::Helper::start(&mut command, port);
    let from = format!("http://127.0.0.1:{port}/");
    let run = || world.update(&["--from", &from, "--only", "network"]);
    world.contacting(2, run).check(0, &["replaced"]);
    assert_eq!(world.files()[NETWORK], networks);
    let modified = &world.lock()["files"][NETWORK]["current"]["last_modified"];
    assert!(modified.as_str().is_some_and(|day| day.ends_with(" GMT")));
    let said = world.contacting(2, run);
    said.check(0, &["up to date: the server has no other version"]);
}

#[test]
fn it_is_led_on_to_another_host_and_says_so() {
    let world = World::new();
    let (store, [networks, _]) = mirror(false);
    let there = format!("{}/m/{NETWORK}", store.url());
    let server = Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" => ok(b"", &format!("\r\nLocation: {there}")).status("302 Found"),
        _ => not_found(),
    });
    let from = format!("{}/{NETWORK}", server.url());
    let said = world.contacting(3, || world.update(&["--from", &from]));
    said.check(0, &[&format!("led on to 127.0.0.1:{}", store.port)]);
    assert_eq!(world.files()[NETWORK], networks);
    assert_eq!(world.lock()["files"][NETWORK]["current"]["from"], from);
}

#[test]
fn through_a_proxy_nobody_is_asked_for_the_name_and_nobody_else_is_contacted() {
    let check = |arguments: &[&str], variables: &[(&str, &str)]| {
        let world = World::new();
        let (server, [networks, _]) = mirror(true);
        let (port, log) = server::proxy(server.port);
        let proxy = format!("http://me:secret@127.0.0.1:{port}");
        // The name is known to the proxy alone. It makes a connection for each of the two that are made to it.
        let from = format!("http://tables.example/m/{NETWORK}");
        let mut command = world.update_command(&["--from", &from]);
        command.args(arguments.iter().map(|word| word.replace("PROXY", &proxy)));
        command.envs(
            variables
                .iter()
                .map(|(name, value)| (name, value.replace("PROXY", &proxy))),
        );
        let said = world.contacting(4, || super::world::said(&mut command));
        let said = said.check(
            0,
            &[&format!(
                "{from}, through the proxy http://127.0.0.1:{port}\n"
            )],
        );
        assert!(!said.text.contains("secret"), "{}", said.text);
        assert_eq!(world.files()[NETWORK], networks);
        assert_eq!(
            *log.lock().expect("a log"),
            ["CONNECT tables.example:80"; 2]
        );
        assert_eq!(server.take().len(), 2);
    };
    check(&["--proxy", "PROXY"], &[("NO_PROXY", "*")]);
    check(&[], &[("http_proxy", "PROXY")]);
    check(
        &[],
        &[("ALL_PROXY", "PROXY"), ("NO_PROXY", "other.example")],
    );
}

#[test]
fn through_a_proxy_of_socks_it_is_the_same() {
    for scheme in ["socks5", "socks5h"] {
        let world = World::new();
        let (server, [networks, _]) = mirror(true);
        let (port, log) = server::socks(server.port);
        let proxy = format!("{scheme}://127.0.0.1:{port}");
        let from = format!("http://tables.example/m/{NETWORK}");
        let update = || world.update(&["--from", &from, "--proxy", &proxy]);
        world.contacting(4, update).check(0, &["replaced"]);
        assert_eq!(world.files()[NETWORK], networks);
        assert_eq!(*log.lock().expect("a log"), ["SOCKS tables.example:80"; 2]);
    }
    let world = World::new();
    let update = || world.update(&["--from", "http://h/", "--proxy", "socks4://127.0.0.1:1"]);
    world
        .contacting(0, update)
        .check(2, &["is no proxy", "hint: give it as http://"]);
}

#[test]
fn no_proxy_is_asked_for_a_host_that_needs_none() {
    let world = World::new();
    let (server, _) = mirror(true);
    let (port, log) = server::proxy(server.port);
    let from = format!("{}/m/{NETWORK}", server.url());
    let mut command = world.update_command(&["--from", &from]);
    command.env("ALL_PROXY", format!("http://127.0.0.1:{port}"));
    command.env("NO_PROXY", "127.0.0.1");
    let said = world.contacting(2, || super::world::said(&mut command));
    let said = said.check(0, &["replaced"]);
    assert!(!said.text.contains("proxy"), "{}", said.text);
    assert!(log.lock().expect("a log").is_empty());
}

#[test]
fn a_sum_that_the_user_knows_is_enough() {
    let world = World::new();
    let (server, [networks, _]) = mirror(false);
    let from = format!("{}/m", server.url());
    let sum = sum(&networks);
    let run = || world.update(&["--from", &from, "--only", "network", "--sha256", &sum]);
    world
        .contacting(1, run)
        .check(0, &["checked by the SHA-256 given by the user"]);
    assert_eq!(world.files()[NETWORK], networks);
    // What is here has that sum: nobody is asked.
    world.contacting(0, run).check(0, &["up to date"]);
    assert_eq!(server.take().len(), 1);
}

#[test]
fn a_dry_run_contacts_nobody_and_writes_nothing() {
    let world = World::new();
    let (server, _) = mirror(true);
    let said = world.contacting(0, || world.update(&["--from", &server.url(), "--dry-run"]));
    said.check(0, &["nothing was contacted, nothing was written"]);
    let said = world.contacting(0, || world.update(&["--dry-run"]));
    said.check(
        0,
        &["https://github.com/sapics/ip-location-db/releases/download/latest/origin-asn.mmdb"],
    );
    assert_eq!(server.take().len(), 0);
    assert!(!world.data().exists());
}
