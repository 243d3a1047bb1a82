//! Does `tracer names` find in captures what is in them, and what tshark finds?

#[path = "../src/name/dns/made.rs"]
mod dns;
#[path = "../src/name/hello/made.rs"]
mod hello;
#[path = "../src/name/quic/made.rs"]
mod quic;

#[path = "names/cases.rs"]
mod cases;
#[path = "names/packets.rs"]
mod packets;
#[path = "names/random.rs"]
mod random;
#[path = "names/tshark.rs"]
mod tshark;

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use proptest::prelude::*;
use serde_json::json;

use cases::NAME;
use hello::{Made, records};
use packets::{Ends, LINKS, Link, pcap, pcapng};
use tshark::{Capture, Seen, by_tracer, by_tshark, lines};

#[test]
fn every_case_has_what_it_is_made_of() {
    for case in cases::all() {
        let capture = Capture::new(&pcap(Link::Ethernet, &case.packets));
        let mut expected = case.expected;
        expected.sort();
        check(&by_tracer(&capture), &expected, case.what);
        if case.what == cases::ALONE {
            check(&by_tshark(&capture), &expected, "tshark");
        }
    }
}

/// All cases in one capture, one behind another and interleaved, over each link, in both formats.
#[test]
fn all_cases_together_are_the_same_over_every_link() {
    let mut cases = cases::all();
    cases.retain(|case| case.what != cases::ALONE);
    let mut packets = Vec::new();
    let mut expected = Vec::new();
    for case in &cases {
        let before = packets.len() as u64;
        packets.extend(case.packets.iter().cloned());
        expected.extend(case.expected.iter().map(|seen| {
            let (Seen::Hello(number, ..) | Seen::Query(number, ..) | Seen::Answer(number, ..)) =
                seen;
            numbered(seen, before + number)
        }));
    }
    expected.sort();
    for link in LINKS {
        let capture = Capture::new(&pcap(link, &packets));
        check(
            &by_tracer(&capture),
            &expected,
            &format!("tracer: {link:?}"),
        );
        check(
            &by_tshark(&capture),
            &expected,
            &format!("tshark: {link:?}"),
        );
        let capture = Capture::new(&pcapng(link, &packets));
        check(
            &by_tracer(&capture),
            &expected,
            &format!("pcapng: {link:?}"),
        );
    }
    let longest = cases.iter().map(|case| case.packets.len()).max();
    let interleaved: Vec<_> = (0..longest.unwrap_or_default())
        .flat_map(|at| cases.iter().filter_map(move |case| case.packets.get(at)))
        .cloned()
        .collect();
    let capture = Capture::new(&pcapng(Link::Ethernet, &interleaved));
    let found = by_tracer(&capture);
    assert_eq!(found.len(), expected.len());
    check(&found, &by_tshark(&capture), "interleaved");
}

/// The same in another packet.
fn numbered(seen: &Seen, number: u64) -> Seen {
    let mut seen = seen.clone();
    match &mut seen {
        Seen::Hello(at, ..) | Seen::Query(at, ..) | Seen::Answer(at, ..) => *at = number,
    }
    seen
}

#[test]
fn random_connections_have_their_names_in_the_same_packets_as_for_tshark() {
    for seed in 1..=3 {
        let (packets, expected) = random::capture(&mut random::Random(seed), 300);
        let capture = Capture::new(&pcap(Link::Ethernet, &packets));
        let found = by_tracer(&capture);
        let mut names: Vec<_> = found.iter().map(|seen| numbered(seen, 0)).collect();
        names.sort();
        check(&names, &expected, "what tracer finds and what is there");
        check(&found, &by_tshark(&capture), "what tracer and tshark find");
    }
}

fn check(one: &[Seen], other: &[Seen], what: &str) {
    let only = |one: &[Seen], other: &[Seen]| -> Vec<_> {
        let is_only = |seen: &&Seen| !other.contains(seen);
        one.iter().filter(is_only).cloned().collect()
    };
    let none = (vec![], vec![]);
    assert_eq!((only(one, other), only(other, one)), none, "{what}");
    assert_eq!(one.len(), other.len(), "{what}");
}

#[test]
fn a_line_has_all_that_is_known() {
    let ends = Ends::new("192.0.2.1:40000", "198.51.100.2:443");
    let made = Made {
        alpn: vec![b"h2".to_vec()],
        ech: true,
        ..Made::to(NAME)
    };
    let query = dns::Made::query(7, NAME, dns::A);
    let resolver = Ends::new("[2001:db8::1]:40001", "[2001:db8::35]:53");
    let answer = dns::Made::answer(
        7,
        NAME,
        dns::A,
        &[dns::record(dns::QUESTION, dns::A, 60, &[192, 0, 2, 9])],
    );
    let packets = [
        ends.handshake(),
        vec![
            ends.says(0, 0, b"hi"),
            ends.says(2, 0, &records(&made.message(), 16_384)),
            resolver.udp(&query.bytes()),
            resolver.udp_answer(&answer.bytes()),
        ],
    ]
    .concat();
    let lines = lines(&Capture::new(&pcap(Link::Raw, &packets)));
    let expected = [
        json!({
            "time": "2026-11-28T12:00:00.000005000Z", "protocol": "tcp",
            "source": "192.0.2.1", "source_port": 40000,
            "destination": "198.51.100.2", "destination_port": 443,
            "name": NAME, "name_source": "sni", "offset": 2, "alpn": ["h2"], "ech": true,
        }),
        json!({
            "time": "2026-11-28T12:00:00.000006000Z", "protocol": "udp",
            "source": "2001:db8::1", "source_port": 40001,
            "destination": "2001:db8::35", "destination_port": 53,
            "name": NAME, "name_source": "dns", "question": NAME, "kind": 1,
            "answer": false, "code": null, "addresses": [], "chain": [],
        }),
        json!({
            "time": "2026-11-28T12:00:00.000007000Z", "protocol": "udp",
            "source": "2001:db8::35", "source_port": 53,
            "destination": "2001:db8::1", "destination_port": 40001,
            "name": NAME, "name_source": "dns", "question": NAME, "kind": 1,
            "answer": true, "code": 0, "addresses": ["192.0.2.9"], "chain": [],
        }),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_readme_shows_what_is_written() {
    let ends = Ends::new("192.0.2.1:40000", "198.51.100.80:443");
    let resolver = Ends::new("192.0.2.1:40001", "192.0.2.53:53");
    let made = Made {
        alpn: vec![b"h2".to_vec()],
        ..Made::to(NAME)
    };
    let end = dns::name("end.example.net");
    let records_of_answer = [
        dns::record(dns::QUESTION, dns::CNAME, 60, &end),
        dns::record(&end, dns::A, 60, &[192, 0, 2, 7]),
    ];
    let answer = dns::Made::answer(7, NAME, dns::A, &records_of_answer);
    let packets = [
        ends.handshake(),
        vec![
            ends.says(0, 0, &records(&made.message(), 16_384)),
            resolver.udp_answer(&answer.bytes()),
        ],
    ]
    .concat();
    let mut output = Vec::new();
    tracer::command::names::read(&*pcap(Link::Ethernet, &packets), &mut output).expect("a capture");
    let text = String::from_utf8(output).expect("UTF-8");
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&text), "the README does not show\n{text}");
}

/// tshark shows these as names.
#[test]
fn an_address_is_no_name() {
    let ends = Ends::new("192.0.2.1:40000", "198.51.100.2:443");
    let hello = records(&Made::to("198.51.100.2").message(), 16_384);
    let capture = Capture::new(&pcap(Link::Raw, &[ends.says(0, 0, &hello)]));
    assert_eq!(by_tracer(&capture), [Seen::Hello(1, 40_000, String::new())]);
}

/// The keys of later packets are those of the first, whatever their ids. tshark 4.0 needs the server's packets for that.
#[test]
fn a_retry_and_another_id_lead_to_the_same_name() {
    use quic::{Initial, crypto, padded};
    let ends = Ends::new("192.0.2.1:40000", "198.51.100.2:443");
    let hello = Made::to(NAME).message();
    let (a, b) = hello.split_at(100);
    let first = Initial::to(b"first-id");
    let again = Initial {
        token: b"token",
        number: 1,
        ..Initial::to(b"second-id")
    };
    let later = Initial {
        keys_of: b"second-id",
        number: 2,
        ..Initial::to(b"third")
    };
    let packets = [
        first.packet(&padded(crypto(0, a))),
        again.packet(&padded(crypto(0, a))),
        later.packet(&padded(crypto(100, b))),
        later.packet(&padded(crypto(100, b))),
    ];
    let packets: Vec<_> = packets.iter().map(|packet| ends.udp(packet)).collect();
    let capture = Capture::new(&pcap(Link::Raw, &packets));
    assert_eq!(
        by_tracer(&capture),
        [Seen::Hello(3, 40_000, NAME.to_owned())]
    );
}

#[test]
fn an_announcement_is_a_line_for_each_name() {
    let ends = Ends::new("192.0.2.1:5353", "224.0.0.251:5353");
    let address = |name: &str, last| dns::record(&dns::name(name), dns::A, 120, &[192, 0, 2, last]);
    let made = dns::Made {
        flags: 0x8400,
        answers: vec![address("a.local", 1), address("b.local", 2)],
        additional: vec![address("a.local", 3)],
        ..dns::Made::default()
    };
    let lines = lines(&Capture::new(&pcap(Link::Raw, &[ends.udp(&made.bytes())])));
    let found: Vec<_> = lines
        .iter()
        .map(|line| (&line["name"], &line["addresses"], &line["question"]))
        .collect();
    let expected = [
        (
            &json!("a.local"),
            &json!(["192.0.2.1", "192.0.2.3"]),
            &json!(null),
        ),
        (&json!("b.local"), &json!(["192.0.2.2"]), &json!(null)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_cannot_be_read_is_an_error_with_a_hint() {
    let check = |path: &str, expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_tracer"))
            .args(["names", path])
            .output()
            .expect("run tracer");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("\nhint: "), "{text}");
    };
    check("/nowhere/at/all", "tracer: open /nowhere/at/all");
    let capture = Capture::new(b"no capture at all, but some text");
    let path = capture.path().display().to_string();
    check(&path, &format!("tracer: read {path}: it is no capture"));
}

#[test]
fn what_was_not_read_is_told_and_what_was_is_written() {
    let ends = Ends::new("192.0.2.1:40000", "198.51.100.2:443");
    let hello = records(&Made::to(NAME).message(), 16_384);
    let mut file = pcap(
        Link::Raw,
        &[ends.says(0, 0, &hello), vec![0x20; 40], ends.udp(b"x")],
    );
    file.truncate(file.len() - 3);
    let capture = Capture::new(&file);
    let output = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .arg("names")
        .arg(capture.path())
        .output()
        .expect("run tracer");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = "tracer: of 2 packets, not read: 1 packets that are not IP, 1 packet at the end, which is not whole\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let ends = Ends::new("192.0.2.1:40000", "198.51.100.2:53");
    let query = ends.udp(&dns::Made::query(7, NAME, dns::A).bytes());
    // More than a pipe holds.
    let capture = Capture::new(&pcap(Link::Raw, &vec![query; 20_000]));
    let mut tracer = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .arg("names")
        .arg(capture.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run tracer");
    let mut output = tracer.stdout.take().expect("its output");
    output.read_exact(&mut [0; 100]).expect("the first bytes");
    drop(output);
    let output = tracer.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

fn has_an_answer(file: &[u8]) {
    let mut output = Vec::new();
    let _ = tracer::command::names::read(file, &mut output);
    for line in output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let _: serde_json::Value = serde_json::from_slice(line).expect("a line of JSON");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        has_an_answer(&bytes);
        has_an_answer(&[&pcap(Link::Raw, &[])[..], &bytes].concat());
        has_an_answer(&[&pcapng(Link::Raw, &[])[..], &bytes].concat());
    }

    #[test]
    fn any_damage_to_a_capture_has_an_answer(
        at_link in 0_usize..6, is_new: bool, damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200)
    ) {
        let packets: Vec<_> = cases::all().into_iter().flat_map(|case| case.packets).collect();
        let mut file = if is_new { pcapng(LINKS[at_link], &packets) } else { pcap(LINKS[at_link], &packets) };
        for (at, value) in damages {
            let at = at.index(file.len());
            file[at] = value;
        }
        has_an_answer(&file);
    }
}
