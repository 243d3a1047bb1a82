//! Downloads that are interrupted: by the server, by a kill, by another version, by another update.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Request, Server, file, not_found, ok, rest};
use super::tables::{NEW, network, sum, table};
use super::world::{NETWORK, World};

/// How much of a table comes before it is interrupted.
const BEGINNING: usize = 40_000;

/// A server whose first answer with a table ends in the middle; the next ones are made by `then`.
fn interrupting(
    first: Vec<u8>,
    then: impl Fn(&Request) -> super::server::Reply + Send + Sync + 'static,
) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" if count.fetch_add(1, Ordering::Relaxed) == 0 => {
            file(request, &first, "\"v1\"").cut(BEGINNING)
        }
        "/origin-asn.mmdb" => then(request),
        _ => not_found(),
    })
}

/// Has the first fetch interrupted.
fn interrupt(world: &World, server: &Server) {
    let before = world.files();
    let said = world.contacting(2, || {
        world.update(&["--from", &server.url(), "--only", "network"])
    });
    said.check(
        2,
        &[
            &format!("interrupted after {BEGINNING} of "),
            "hint: run it again: it goes on from there",
        ],
    );
    let mut after = world.files();
    let part = after.remove("origin-asn.mmdb.part").expect("a part");
    assert_eq!(part.len(), BEGINNING);
    assert!(after.remove("origin-asn.mmdb.part.json").is_some());
    assert_eq!(after, before);
    assert_eq!(server.take().len(), 2);
}

#[track_caller]
fn check_whole(world: &World, server: &Server, whole: &[u8], says: &str) -> Vec<Request> {
    let said = world.update(&["--from", &server.url(), "--only", "network"]);
    said.check(0, &[says, "replaced"]);
    let files = world.files();
    assert_eq!(files[NETWORK], whole);
    assert_eq!(files.len(), 3, "something is left: {:?}", files.keys());
    world.verify().check(0, &["as locked"]);
    server.take()
}

#[test]
fn what_was_interrupted_is_gone_on_with_and_no_byte_comes_twice() {
    let world = World::with_old_tables();
    let new = table(network, NEW);
    let bytes = new.clone();
    let server = interrupting(new.clone(), move |request| file(request, &bytes, "\"v1\""));
    interrupt(&world, &server);
    let says = format!("going on after {BEGINNING} of {} bytes", new.len());
    let asked = check_whole(&world, &server, &new, &says);
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[1].header("range"),
        Some(&*format!("bytes={BEGINNING}-"))
    );
    assert_eq!(asked[1].header("if-range"), Some("\"v1\""));
    assert_eq!(asked[1].sent, new.len() - BEGINNING);
}

#[test]
fn parts_of_two_versions_are_never_joined() {
    let world = World::with_old_tables();
    let (first, second) = (table(network, NEW), table(network, NEW + 1));
    // A server that is asked for the rest of the old version, and sends the new one whole.
    let bytes = second.clone();
    let server = interrupting(first.clone(), move |request| {
        file(request, &bytes, "\"v2\"")
    });
    interrupt(&world, &server);
    let asked = check_whole(
        &world,
        &server,
        &second,
        "the server has another version: starting anew",
    );
    assert_eq!((asked.len(), asked[1].sent), (2, second.len()));
    // One that sends the rest of the new one, whatever it was asked for.
    let world = World::with_old_tables();
    let bytes = second.clone();
    let server = interrupting(first, move |request| match request.header("range") {
        Some(_) => rest(&bytes, BEGINNING, "\"v2\""),
        None => file(request, &bytes, "\"v2\""),
    });
    interrupt(&world, &server);
    let asked = check_whole(
        &world,
        &server,
        &second,
        "the server has another version: starting anew",
    );
    assert_eq!((asked.len(), asked[2].sent), (3, second.len()));
    assert_eq!(asked[2].header("range"), None);
}

#[test]
fn a_version_without_a_strong_name_starts_anew() {
    let world = World::with_old_tables();
    let new = table(network, NEW);
    let count = AtomicUsize::new(0);
    let bytes = new.clone();
    let server = Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" => {
            let whole = ok(&bytes, "\r\nETag: W/\"v1\"");
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                whole.cut(BEGINNING)
            } else {
                whole
            }
        }
        _ => not_found(),
    });
    let before = world.files();
    let said = world.update(&["--from", &server.url(), "--only", "network"]);
    said.check(2, &["hint: run it again: it starts anew"]);
    assert_eq!(world.files(), before);
    server.take();
    let asked = check_whole(&world, &server, &new, "no sum is published there");
    assert_eq!((asked.len(), asked[1].header("range")), (2, None));
}

/// A server that sends the beginning and then nothing; it tells when.
fn silent(bytes: Vec<u8>) -> (Server, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let server = Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" => {
            tell.send(()).expect("the test waits");
            file(request, &bytes, "\"v1\"").cut(BEGINNING).hold()
        }
        _ => not_found(),
    });
    (server, told)
}

/// Waits until the part has all that is to come.
fn wait_for_part(world: &World) {
    let end = Instant::now() + Duration::from_secs(20);
    let part = world.data().join("origin-asn.mmdb.part");
    while fs::metadata(&part).map_or(0, |part| part.len()) < BEGINNING as u64 {
        assert!(Instant::now() < end, "the part does not grow");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_kill_leaves_the_old_tables_and_what_came_is_gone_on_with() {
    let new = table(network, NEW);
    let world = World::with_old_tables();
    let before = world.files();
    let (server, told) = silent(new.clone());
    let mut command = world.update_command(&["--from", &server.url(), "--only", "network"]);
    let mut child = command
        .stdout(Stdio::null())
        .spawn()
        .expect("the tracer runs");
    told.recv_timeout(Duration::from_secs(20))
        .expect("a request");
    wait_for_part(&world);

    // A second one at the same time touches nothing and contacts nobody.
    let second = world.contacting(0, || world.update(&["--from", &server.url()]));
    second.check(2, &["another `tracer data update` is at work in", "hint: "]);

    child.kill().expect("it is there");
    child.wait().expect("it ends");
    let mut after = world.files();
    assert_eq!(
        after.remove("origin-asn.mmdb.part").map(|part| part.len()),
        Some(BEGINNING)
    );
    assert!(after.remove("origin-asn.mmdb.part.json").is_some());
    assert_eq!(after, before);
    world.verify().check(0, &["as locked"]);

    // The same server, as far as can be told: the same address, and the rest.
    let port = server.port;
    let note = world.data().join("origin-asn.mmdb.part.json");
    let bytes = new.clone();
    let server = Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" => file(request, &bytes, "\"v1\""),
        _ => not_found(),
    });
    let text = fs::read_to_string(&note).expect("a note");
    fs::write(
        &note,
        text.replace(&port.to_string(), &server.port.to_string()),
    )
    .expect("a note");
    let asked = check_whole(&world, &server, &new, "going on after");
    assert_eq!(asked[1].sent, new.len() - BEGINNING);
}

#[test]
fn a_part_from_before_a_restart_of_the_machine_is_not_gone_on_with() {
    let world = World::with_old_tables();
    let new = table(network, NEW);
    let bytes = new.clone();
    let server = interrupting(new.clone(), move |request| file(request, &bytes, "\"v1\""));
    interrupt(&world, &server);
    let note = world.data().join("origin-asn.mmdb.part.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&note).expect("a note")).expect("JSON");
    value["boot"] = json!("another");
    fs::write(&note, value.to_string()).expect("a note");
    let asked = check_whole(
        &world,
        &server,
        &new,
        "what is here of it cannot be gone on with: starting anew",
    );
    assert_eq!((asked[1].sent, asked[1].header("range")), (new.len(), None));
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let world = World::with_old_tables();
    let before = world.files();
    let (server, _told) = silent(table(network, NEW));
    let begun = Instant::now();
    let said = world.update(&[
        "--from",
        &server.url(),
        "--only",
        "network",
        "--timeout",
        "1",
    ]);
    said.check(
        2,
        &[&format!("interrupted after {BEGINNING} of "), "hint: "],
    );
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it waits too long"
    );
    let mut after = world.files();
    after.retain(|name, _| !name.contains(".part"));
    assert_eq!(after, before);
}

#[test]
fn what_was_stopped_between_table_and_lock_is_told_and_set_right() {
    let world = World::with_old_tables();
    let new = table(network, NEW);
    let bytes = Arc::new(new.clone());
    let text = format!("{}  {NETWORK}\n", sum(&new));
    let server = Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" => file(request, &bytes, "\"v1\""),
        "/origin-asn.mmdb.sha256" => ok(text.as_bytes(), ""),
        _ => not_found(),
    });
    let old = world.lock();
    let fetch = || world.update(&["--from", &server.url(), "--only", "network"]);
    fetch().check(0, &["replaced"]);
    let done = world.lock();
    // As it is on the disk when the power fails between both.
    let mut stopped = old.clone();
    stopped["files"][NETWORK]["next"] = done["files"][NETWORK]["current"].clone();
    let write = |lock: &Value| fs::write(world.data().join("lock.json"), lock.to_string());
    write(&stopped).expect("a lock");
    world
        .verify()
        .check(0, &["an update was stopped before the lock said so"]);
    fetch().check(
        0,
        &[
            "an update was stopped after it had replaced the table",
            "up to date",
        ],
    );
    assert_eq!(world.lock(), done);
    // The same before the table was replaced: the old one is there, and is what the lock says.
    let from = world.folder.join("old").join(NETWORK);
    fs::copy(from, world.data().join(NETWORK)).expect("the old table");
    write(&stopped).expect("a lock");
    world.verify().check(0, &["as locked"]);
    fetch().check(0, &["replaced"]);
    assert_eq!(world.lock()["files"][NETWORK]["next"], Value::Null);
    assert_eq!(world.files()[NETWORK], new);
    // A lock that is none is said to be none.
    fs::write(world.data().join("lock.json"), "{").expect("a lock");
    world.verify().check(1, &["CHANGED", "lock.json", "hint: "]);
    fetch().check(
        0,
        &[
            "lock.json is not a lock",
            "it is kept as lock.json.bad, and written anew",
            "up to date",
        ],
    );
    let bad = fs::read(world.data().join("lock.json.bad"));
    assert_eq!(bad.expect("the bad one"), b"{");
    world.verify().check(0, &["as locked", "no lock"]);
}
