//! What is not what it should be: it is refused, it is said why, and the old tables stay to the byte.

use super::server::{Reply, Request, Server, file, not_found, ok, reply};
use super::tables::{NEW, OLD, country, nested, network, of_families, sum, table};
use super::world::{NETWORK, World, is_root, path, said};

/// Has a table of networks come from a server, which is refused.
#[track_caller]
fn check(
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    further: &[&str],
    code: i32,
    says: &[&str],
) -> Vec<Request> {
    let world = World::with_old_tables();
    let before = world.files();
    let server = Server::start(answer);
    let url = server.url();
    let mut command = world.update_command(&["--from", &url, "--only", "network"]);
    let said = world.contacting_all(&server, || said(command.args(further)));
    said.check(code, says);
    assert_eq!(world.files(), before);
    world.verify().check(0, &["as locked"]);
    server.take()
}

/// A server of one file, without its sum.
fn of(bytes: Vec<u8>) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| match request.path() {
        "/origin-asn.mmdb" => file(request, &bytes, "\"v1\""),
        _ => not_found(),
    }
}

/// A server of one file, with a sum.
fn with_sum(reply: fn(&[u8]) -> Reply, sum: String) -> impl Fn(&Request) -> Reply + Send + Sync {
    let bytes = table(network, NEW);
    move |request| match request.path() {
        "/origin-asn.mmdb" => reply(&bytes),
        _ => ok(sum.as_bytes(), ""),
    }
}

#[test]
fn a_table_with_another_sum_is_refused_after_the_sum_was_asked_for_again() {
    let wrong = sum(b"another");
    let says = [
        &*format!("and should be {wrong}; the old table stays"),
        "hint: ",
    ];
    let asked = check(
        with_sum(|bytes| ok(bytes, "\r\nETag: \"v1\""), wrong.clone()),
        &[],
        1,
        &says,
    );
    let lines: Vec<&str> = asked.iter().map(Request::path).collect();
    let sum = "/origin-asn.mmdb.sha256";
    assert_eq!(lines, [sum, "/origin-asn.mmdb", sum]);
    let asked = check(of(table(network, NEW)), &["--sha256", &wrong], 1, &says);
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_table_that_is_replaced_while_it_comes_is_held_against_the_new_sum() {
    let world = World::with_old_tables();
    let new = table(network, NEW);
    let (bytes, right) = (new.clone(), sum(&new));
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |request| match request.path() {
        "/origin-asn.mmdb" => ok(&bytes, ""),
        _ if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            ok(sum(b"the version before").as_bytes(), "")
        }
        _ => ok(right.as_bytes(), ""),
    });
    let said = world.contacting(3, || {
        world.update(&["--from", &server.url(), "--only", "network"])
    });
    said.check(0, &["replaced"]);
    assert_eq!(world.files()[NETWORK], new);
}

#[test]
fn a_sum_that_is_none_is_no_reason_to_go_on_without() {
    let says = ["it has no SHA-256 of origin-asn.mmdb", "hint: "];
    let asked = check(
        with_sum(|bytes| ok(bytes, ""), "<html>".to_owned()),
        &[],
        2,
        &says,
    );
    assert_eq!(asked.len(), 1);
    let asked = check(
        |_| ok(b"", "").status("500 No"),
        &[],
        2,
        &["the server answers 500"],
    );
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_length_that_is_wrong_is_noticed() {
    // More than there is.
    let long = |bytes: &[u8]| ok(&[bytes, &[0; 9]].concat(), "").cut(bytes.len());
    let right = sum(&table(network, NEW));
    check(
        with_sum(long, right.clone()),
        &[],
        2,
        &["interrupted after ", "hint: "],
    );
    // Less than there is: the rest does not come.
    let short = |bytes: &[u8]| {
        reply(
            &format!("200 OK\r\nContent-Length: {}", bytes.len() - 9),
            bytes,
        )
    };
    check(
        with_sum(short, right),
        &[],
        1,
        &["its SHA-256 is ", "the old table stays"],
    );
    let bytes = table(network, NEW);
    let half = bytes.len() / 2;
    check(
        of(bytes[..half].to_vec()),
        &[],
        1,
        &["it is no whole database", "the old table stays"],
    );
}

#[test]
fn what_is_too_large_is_not_taken() {
    let says = ["it has more than 100000 bytes", "hint: ", "--max-bytes"];
    let most = ["--max-bytes", "100000"];
    check(of(vec![0; 100_001]), &most, 2, &says);
    // Without a length nobody knows before it is too much.
    let chunked = |_: &Request| {
        let chunk = [b"8000\r\n".as_slice(), &vec![7; 0x8000], b"\r\n"].concat();
        reply("200 OK\r\nTransfer-Encoding: chunked", &chunk.repeat(40))
    };
    let sum = sum(b"");
    check(
        move |request| match request.path() {
            "/origin-asn.mmdb" => chunked(request),
            _ => ok(sum.as_bytes(), ""),
        },
        &most,
        2,
        &says,
    );
}

#[test]
fn a_server_that_has_nothing_or_leads_nowhere_is_told() {
    let asked = check(
        |_| not_found(),
        &[],
        2,
        &["the server answers 404", "hint: ", "--from"],
    );
    assert_eq!(asked.len(), 2);
    let round = |_: &Request| ok(b"", "\r\nLocation: /again").status("301 Moved");
    let asked = check(round, &[], 2, &["led elsewhere more than 5 times"]);
    assert_eq!(asked.len(), 6);
    let nowhere = |_: &Request| ok(b"", "").status("301 Moved");
    check(nowhere, &[], 2, &["does not say where"]);
    let file = |_: &Request| ok(b"", "\r\nLocation: file:///etc/passwd").status("301 Moved");
    check(file, &[], 2, &["is no address of HTTP"]);
    let packed = |request: &Request| match request.path() {
        "/origin-asn.mmdb" => ok(b"\x1f\x8b", "\r\nContent-Encoding: gzip"),
        _ => not_found(),
    };
    check(packed, &[], 2, &["packed"]);
}

#[test]
fn what_is_no_such_table_is_refused() {
    let refuse = |bytes: Vec<u8>, says: &str| {
        check(of(bytes), &[], 1, &[says, "the old table stays"]);
    };
    refuse(
        b"<html>please log in</html>".to_vec(),
        "it is no whole database",
    );
    refuse(Vec::new(), "it is no whole database");
    refuse(table(country, NEW), "it says no network");
    refuse(table(nested, NEW), "it says no network");
    refuse(
        of_families(network, NEW, true, false),
        "it has IPv4 addresses only",
    );
    refuse(
        of_families(network, NEW, false, true),
        "it has IPv6 addresses only",
    );
}

#[test]
fn an_older_table_is_taken_only_by_force() {
    let older = table(network, OLD - 1);
    let says = ["it was built before the one that is there", "hint: --force"];
    check(of(older.clone()), &[], 1, &says);
    let world = World::with_old_tables();
    let server = Server::start(of(older.clone()));
    let said = world.update(&["--from", &server.url(), "--only", "network", "--force"]);
    said.check(0, &["replaced"]);
    assert_eq!(world.files()[NETWORK], older);
}

#[test]
fn a_server_or_proxy_that_is_not_there_is_told() {
    let world = World::with_old_tables();
    let before = world.files();
    let port = super::tls::free_port();
    let nobody = format!("http://127.0.0.1:{port}");
    let update = |arguments: &[&str]| world.update(arguments);
    update(&["--from", &nobody, "--only", "network"]).check(2, &["refused"]);
    let from = "http://tables.example/";
    let through = ["--from", from, "--only", "network", "--proxy", &nobody];
    let said = world.contacting(1, || update(&through));
    said.check(
        2,
        &[
            "tables.example, through the proxy http://127.0.0.1:",
            "hint: ",
        ],
    );
    let through = ["--from", from, "--only", "network", "--proxy", "ftp://x"];
    update(&through).check(2, &["is no proxy", "hint: "]);
    if is_root() {
        // In a network of its own it finds nobody who resolves names; elsewhere the test would ask somebody.
        let said = update(&["--from", from, "--only", "network"]);
        said.check(
            2,
            &[
                "tables.example is not found",
                "hint: see whether this machine resolves names",
            ],
        );
        // The proxy's name is the only one that is looked up here.
        let said = update(&[
            "--from",
            from,
            "--only",
            "network",
            "--proxy",
            "http://proxy.example:1",
        ]);
        let said = said.check(
            2,
            &[
                "tables.example, through the proxy http://proxy.example:1: ",
                "hint: see whether the proxy is there",
            ],
        );
        assert!(!said.text.contains("is not found"), "{}", said.text);
    }
    assert_eq!(world.files(), before);
}

#[test]
fn one_table_that_fails_does_not_keep_the_other_from_coming() {
    let world = World::with_old_tables();
    let before = world.files();
    let countries = table(nested, NEW);
    let bytes = countries.clone();
    let server = Server::start(move |request| match request.path() {
        "/server-country.mmdb" => ok(&bytes, ""),
        _ => not_found(),
    });
    let said = world.update(&["--from", &server.url()]);
    said.check(2, &["the server answers 404", "form nested"]);
    let after = world.files();
    assert_eq!(after["origin-asn.mmdb"], before["origin-asn.mmdb"]);
    assert_eq!(after["server-country.mmdb"], countries);
    world.verify().check(0, &[&path(&world.data())]);
}
