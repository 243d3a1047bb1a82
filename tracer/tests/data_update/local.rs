//! From folders and files of this machine, and into folders that cannot take them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::server::{Server, file, not_found};
use super::tables::{NEW, country, network, sum, table};
use super::world::{COUNTRY, NETWORK, Said, World, is_root, path, said};

#[test]
fn a_folder_or_a_file_is_as_good_as_a_server_and_nobody_is_contacted() {
    let world = World::with_old_tables();
    let mirror = world.folder.join("mirror");
    fs::create_dir_all(&mirror).expect("a folder");
    let (networks, countries) = (table(network, NEW), table(country, NEW));
    fs::write(mirror.join(NETWORK), &networks).expect("a table");
    fs::write(mirror.join(COUNTRY), &countries).expect("a table");
    fs::write(mirror.join(format!("{NETWORK}.sha256")), sum(&networks)).expect("a sum");
    let said = world.contacting(0, || world.update(&["--from", &path(&mirror)]));
    said.check(
        0,
        &[
            "the SHA-256 published beside",
            "no sum is published there",
            "checked by its form",
        ],
    );
    let files = world.files();
    assert_eq!([&files[NETWORK], &files[COUNTRY]], [&networks, &countries]);
    assert_eq!(files.len(), 3);
    world.verify().check(0, &["as locked"]);

    let newer = table(network, NEW + 1);
    let other = world.folder.join("GeoLite2-ASN.mmdb");
    fs::write(&other, &newer).expect("a table");
    world
        .update(&["--from", &path(&other)])
        .check(2, &["hint: add --only"]);
    world
        .update(&["--from", &path(&other), "--only", "network"])
        .check(0, &["replaced"]);
    assert_eq!(world.files()[NETWORK], newer);
    // A sum beside it is of the name that it has there.
    let newest = table(network, NEW + 2);
    fs::write(&other, &newest).expect("a table");
    let line = format!("{}  GeoLite2-ASN.mmdb\n", sum(&newest));
    fs::write(world.folder.join("GeoLite2-ASN.mmdb.sha256"), line).expect("a sum");
    world
        .update(&["--from", &path(&other), "--only", "network"])
        .check(0, &["published beside the table", "replaced"]);
    assert_eq!(world.files()[NETWORK], newest);
}

#[test]
fn a_file_with_another_sum_or_that_is_not_there_changes_nothing() {
    let world = World::with_old_tables();
    let before = world.files();
    let mirror = world.folder.join("mirror");
    fs::create_dir_all(&mirror).expect("a folder");
    fs::write(mirror.join(NETWORK), table(network, NEW)).expect("a table");
    let both = ["--from", &path(&mirror)];
    world
        .update(&both)
        .check(2, &["server-country.mmdb: No such file", "hint: "]);
    fs::write(mirror.join(format!("{NETWORK}.sha256")), sum(b"another")).expect("a sum");
    let one = ["--from", &path(&mirror), "--only", "network"];
    world
        .update(&one)
        .check(1, &["the old table stays", "hint: "]);
    let large = [&one[..], &["--max-bytes", "1000"]].concat();
    fs::remove_file(mirror.join(format!("{NETWORK}.sha256"))).expect("a sum");
    world
        .update(&large)
        .check(2, &["it has more than 1000 bytes"]);
    assert_eq!(world.files(), before);
}

/// Runs an update whose folder is a file system of its own, of a size and perhaps read-only. Returns what the folder had
/// afterwards, and what was said.
fn mounted(
    world: &World,
    options: &str,
    arguments: &[String],
) -> (BTreeMap<String, Vec<u8>>, Said) {
    let [data, out] = [world.data(), world.folder.join("out")].map(|folder| path(&folder));
    let script = "mount -t tmpfs -o mode=0755 none \"$1\" && cp -r \"$2/.\" \"$1\" && mount -t tmpfs -o \"remount,$3\" none \"$1\" || exit 99\n\
        data=$1 out=$2; shift 3; \"$@\"; code=$?; rm -r \"$out\" && cp -r \"$data\" \"$out\" || exit 98; exit $code";
    fs::remove_dir_all(&out).ok();
    let copied = Command::new("cp").args(["-r", &data, &out]).status();
    assert!(copied.expect("start cp").success());
    let mut command = Command::new("unshare");
    // Who is not root is root in a user namespace of his own.
    command.args(if is_root() {
        ["--mount"].as_slice()
    } else {
        &["--mount", "--map-root-user"]
    });
    command.args(["sh", "-c", script, "sh", &data, &out, options]);
    command.args([
        env!("CARGO_BIN_EXE_tracer"),
        "data",
        "update",
        "--data-dir",
        &data,
    ]);
    command.args(arguments);
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    let said = said(&mut command);
    let entries = fs::read_dir(&out).expect("what was there");
    let files = entries.map(|entry| {
        let entry = entry.expect("an entry");
        let bytes = fs::read(entry.path()).expect("a file");
        (entry.file_name().into_string().expect("a name"), bytes)
    });
    (files.collect(), said)
}

#[test]
fn where_there_is_no_room_the_old_tables_stay_and_nothing_is_left() {
    let world = World::with_old_tables();
    let before = world.files();
    let size: usize = before.values().map(Vec::len).sum();
    let serve = |bytes: Vec<u8>| {
        Server::start(move |request| match request.path() {
            "/origin-asn.mmdb" => file(request, &bytes, "\"v1\""),
            _ => not_found(),
        })
    };
    // Room for what is there, and for half of what is to come: it is written for a while before there is none.
    let large = 2 << 20;
    let server = serve(vec![7; large]);
    let room = |more: usize| format!("size={}", size + more);
    let arguments = |server: &Server| {
        [
            "--from".to_owned(),
            server.url(),
            "--only".to_owned(),
            "network".to_owned(),
        ]
    };
    let (after, said) = mounted(&world, &room(large / 2), &arguments(&server));
    said.check(2, &["No space left on device", "hint: make room there"]);
    assert_eq!(after, before);
    assert_eq!(server.take().len(), 2);
    // With room for all of it, the same file system takes a table.
    let server = serve(table(network, NEW));
    let (after, said) = mounted(&world, &room(large), &arguments(&server));
    said.check(0, &["replaced"]);
    assert_eq!(after.len(), 3);
}

#[test]
fn into_a_folder_that_cannot_be_written_nothing_is_fetched() {
    let world = World::with_old_tables();
    let before = world.files();
    let server = Server::start(|_| not_found());
    let (after, said) = mounted(&world, "ro", &["--from".to_owned(), server.url()]);
    said.check(
        2,
        &[
            "Read-only file system",
            "hint: name a folder that can be written",
        ],
    );
    assert_eq!(after, before);
    assert_eq!(server.take().len(), 0);
}

#[test]
fn where_the_lock_cannot_be_written_the_table_is_not_replaced() {
    let world = World::with_old_tables();
    let before = world.files();
    let other = world.folder.join(NETWORK);
    fs::write(&other, table(network, NEW)).expect("a table");
    // A folder in the place of the new lock is what even root cannot write.
    let obstacle = world.data().join("lock.json.new");
    fs::create_dir(&obstacle).expect("a folder");
    let said = world.update(&["--from", &path(&other)]);
    said.check(2, &["Is a directory"]);
    fs::remove_dir(&obstacle).expect("the folder");
    assert_eq!(world.files(), before);
    world
        .update(&["--from", &path(&other)])
        .check(0, &["replaced"]);
    assert_eq!(world.files().len(), 3);
}
