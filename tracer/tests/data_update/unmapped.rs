//! `tracer data unmapped` beside the metrics that it reads.

use super::server::{Server, not_found, ok, reply};
use super::world::{Said, World, said};

const METRICS: &str = r#"# HELP tracer_sent_bytes_total Payload sent.
# TYPE tracer_sent_bytes_total counter
tracer_sent_bytes_total{app="curl",user="root",direction="out",destination="cdn.example",port="443",protocol="tcp",company="",country="",name_source="sni"} 1000
tracer_sent_bytes_total{app="a\"b\\c\nd",user="root",direction="out",destination="cdn.example",port="80",protocol="tcp",company="",country="",name_source="dns"} 234
tracer_sent_bytes_total{app="curl",user="root",direction="out",destination="api.known.example",port="443",protocol="tcp",company="Known",country="",name_source="sni"} 700000
tracer_sent_bytes_total{app="sshd",user="root",direction="in",destination="192.0.2.7",port="22",protocol="tcp",company="",country="",name_source="none"} 99999
tracer_sent_bytes_total{app="curl",user="root",direction="out",destination="192.0.2.1",port="443",protocol="tcp",company="",country="",name_source="none"} 18446744073709551
tracer_sent_bytes_total{app="curl",user="root",direction="out",destination="~other",port="",protocol="tcp",company="",country="",name_source="none"} 5
tracer_received_bytes_total{app="curl",user="root",direction="out",destination="cdn.example",port="443",protocol="tcp",company="",country="",name_source="sni"} 50
tracer_received_bytes_total{app="curl",user="root",direction="out",destination="fe80::1%eth0",port="443",protocol="tcp",company="",country="",name_source="none"} 7
tracer_received_bytes_total{app="curl",user="root",direction="out",destination="api.known.example",port="443",protocol="tcp",company="Known",country="",name_source="sni"} 800000
tracer_build_info{version="0.1.0"} 1
"#;

fn unmapped(world: &World, url: &str, further: &[&str]) -> Said {
    let mut command = world.command(&["unmapped", "--from", url]);
    // A proxy is for those whom `tracer data update` contacts.
    command.env("ALL_PROXY", "http://127.0.0.1:1");
    said(command.args(further))
}

#[test]
fn destinations_without_an_owner_are_listed_by_bytes_and_the_totals_are_those_of_the_metrics() {
    let world = World::new();
    let server = Server::start(|request| match request.path() {
        "/metrics" => ok(METRICS.as_bytes(), ""),
        _ => not_found(),
    });
    let said = world.contacting(1, || unmapped(&world, &server.url(), &["--json"]));
    let answer: serde_json::Value = serde_json::from_str(&said.check(0, &[]).text).expect("JSON");
    let listed: Vec<(&str, u64, u64, &str)> = answer["destinations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().expect("a text");
            let number = |key: &str| one[key].as_u64().expect("a number");
            (
                text("destination"),
                number("sent_bytes"),
                number("received_bytes"),
                text("kind"),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("192.0.2.1", 18_446_744_073_709_551, 0, "address"),
            ("cdn.example", 1234, 50, "name"),
            ("fe80::1%eth0", 0, 7, "address"),
            ("~other", 5, 0, "folded"),
        ]
    );
    let cdn = &answer["destinations"][1];
    assert_eq!(cdn["apps"], serde_json::json!(["a\"b\\c\nd", "curl"]));
    assert_eq!(cdn["ports"], serde_json::json!(["443", "80"]));
    assert_eq!(cdn["name_sources"], serde_json::json!(["dns", "sni"]));
    assert_eq!(answer["count"], 4);
    assert_eq!(answer["sent_bytes"], 18_446_744_073_709_551_u64 + 1234 + 5);
    assert_eq!(answer["received_bytes"], 57);
    assert_eq!(
        answer["all"]["sent_bytes"],
        18_446_744_073_709_551_u64 + 1234 + 5 + 700_000
    );
    assert_eq!(answer["all"]["received_bytes"], 800_057);

    let said = unmapped(&world, &server.url(), &["--limit", "2"]);
    let text = said.check(0, &[]).text;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "           sent        received  destination (how it is known), ports, apps",
            "18446744073709551               0  192.0.2.1 (an address, no name), 443, curl",
            "           1234              50  cdn.example (dns sni), 443 80, a\"b\\c\u{fffd}d curl",
            "18446744073710790              57  in 4 destinations without a known owner, 2 of them listed",
            "18446744074410790          800057  in all contacts that were begun here",
        ]
    );
}

#[test]
fn what_is_no_whole_answer_of_a_tracer_is_no_answer() {
    let world = World::new();
    let check = |answer: fn() -> super::server::Reply, says: &str| {
        let server = Server::start(move |_| answer());
        unmapped(&world, &server.url(), &[]).check(2, &[says]);
    };
    check(|| ok(b"up 1\n", ""), "what answers is no tracer");
    check(not_found, "it answers 404");
    check(|| ok(METRICS.as_bytes(), "").cut(600), "hint: ");
    check(
        || reply("200 OK", &METRICS.as_bytes()[..600]),
        "a line has no end",
    );
    check(
        || ok(METRICS.replace(" 1000\n", " 1e3\n").as_bytes(), ""),
        "1 lines with bytes cannot be read",
    );
    check(|| ok(&vec![b'x'; 100_000], ""), "a line has no end");
    let port = super::tls::free_port();
    let nobody = format!("http://127.0.0.1:{port}");
    unmapped(&world, &nobody, &[]).check(2, &["refused", "hint: "]);
}
