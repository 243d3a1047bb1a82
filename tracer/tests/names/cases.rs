//! Which shapes do hellos and messages come in? Each case has a port of its own, by which it is found in both answers.

use crate::{
    dns::{self, A, AAAA, CNAME, HTTPS, QUESTION, binding, record},
    hello::{Made, records},
    packets::Ends,
    quic::{Initial, crypto, padded},
    tshark::Seen,
};

/// A case: its packets, and what is to be found in them, where numbers of packets count from 1.
pub struct Case {
    pub what: &'static str,
    pub packets: Vec<Vec<u8>>,
    pub expected: Vec<Seen>,
}

pub const NAME: &str = "www.example.com";

/// A connection of the client at this port, of IPv6 where it is odd.
fn ends(port: u16, server: u16) -> Ends {
    let (client, host) = if port % 2 == 1 {
        ("[2001:db8::1]", "[2001:db8::2]")
    } else {
        ("192.0.2.1", "198.51.100.2")
    };
    Ends::new(&format!("{client}:{port}"), &format!("{host}:{server}"))
}

pub fn all() -> Vec<Case> {
    [tls(), late(), quic(), dns_messages()]
        .into_iter()
        .flatten()
        .collect()
}

/// A hello from this port with packets behind the handshake, the last of which makes it complete.
fn hello(what: &'static str, port: u16, segments: Vec<Vec<u8>>, name: &str) -> Case {
    let packets = [ends(port, 443).handshake(), segments].concat();
    Case {
        what,
        expected: vec![Seen::Hello(packets.len() as u64, port, name.to_owned())],
        packets,
    }
}

fn tls() -> Vec<Case> {
    let whole = records(&Made::to(NAME).message(), 16_384);
    let one = |port: u16, bytes: &[u8]| vec![ends(port, 443).says(0, 0, bytes)];
    let parts = |port: u16, parts: &[(usize, usize)]| -> Vec<Vec<u8>> {
        let says = |(from, to): &(usize, usize)| ends(port, 443).says(*from, 0, &whole[*from..*to]);
        parts.iter().map(says).collect()
    };
    let length = whole.len();
    let bytes: Vec<_> = (0..length).map(|at| (at, at + 1)).collect();
    let rich = Made {
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        ech: true,
        padding: 1_400,
        ..Made::to("Rich.Example.ORG")
    };
    let unnamed = Made::default();
    vec![
        hello("in one segment", 1000, one(1000, &whole), NAME),
        hello("of IPv6", 1001, one(1001, &whole), NAME),
        hello(
            "in two segments",
            1002,
            parts(1002, &[(0, 90), (90, length)]),
            NAME,
        ),
        hello(
            "the second first",
            1003,
            parts(1003, &[(90, length), (0, 90)]),
            NAME,
        ),
        hello(
            "the first twice",
            1004,
            parts(1004, &[(0, 90), (0, 90), (90, length)]),
            NAME,
        ),
        hello(
            "overlapping",
            1005,
            parts(1005, &[(0, 90), (60, length)]),
            NAME,
        ),
        hello("a byte a segment", 1006, parts(1006, &bytes), NAME),
        hello(
            "in records of seven bytes",
            1007,
            one(1007, &records(&Made::to(NAME).message(), 7)),
            NAME,
        ),
        hello(
            "without a name",
            1008,
            one(1008, &records(&unnamed.message(), 16_384)),
            "",
        ),
        hello(
            "long, with more in it",
            1010,
            one(1010, &records(&rich.message(), 16_384)),
            "rich.example.org",
        ),
    ]
}

/// A hello behind what both say, in turns, the client first.
fn behind(what: &'static str, port: u16, server: u16, turns: &[&[u8]]) -> Case {
    let ends = ends(port, server);
    let mut packets = ends.handshake();
    let mut said = [0, 0];
    for (at, words) in turns.iter().enumerate() {
        let (own, other) = (said[at % 2], said[(at + 1) % 2]);
        packets.push(if at % 2 == 0 {
            ends.says(own, other, words)
        } else {
            ends.answers(own, other, words)
        });
        said[at % 2] += words.len();
    }
    let hello = records(&Made::to(NAME).message(), 16_384);
    let (a, b) = hello.split_at(60);
    packets.push(ends.says(said[0], said[1], a));
    packets.push(ends.says(said[0] + 60, said[1], b));
    Case {
        what,
        expected: vec![Seen::Hello(packets.len() as u64, port, NAME.to_owned())],
        packets,
    }
}

fn late() -> Vec<Case> {
    vec![
        behind(
            "behind STARTTLS",
            1100,
            25,
            &[
                b"",
                b"220 mail.example ESMTP\r\n",
                b"EHLO client.example\r\n",
                b"250-mail.example\r\n250 STARTTLS\r\n",
                b"STARTTLS\r\n",
                b"220 go ahead\r\n",
            ],
        ),
        behind(
            "behind CONNECT",
            1101,
            3128,
            &[
                b"CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n",
                b"HTTP/1.1 200 Connection established\r\n\r\n",
            ],
        ),
        behind(
            "behind SOCKS",
            1102,
            1080,
            &[
                b"\x05\x01\x00",
                b"\x05\x00",
                b"\x05\x01\x00\x03\x0fwww.example.com\x01\xbb",
                b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
            ],
        ),
    ]
}

/// The case that tshark does not tell from that of RFC 9001: their connections have one id.
pub const ALONE: &str = "QUIC of RFC 9369";
const RFC_9001: &[u8] = include_bytes!("../../../fuzz/corpus/quic/rfc9001");
const RFC_9369: &[u8] = include_bytes!("../../../fuzz/corpus/quic/rfc9369");

fn quic() -> Vec<Case> {
    let hello = Made {
        padding: 1_000,
        ..Made::to(NAME)
    };
    let hello = hello.message();
    let (a, b) = hello.split_at(700);
    // A connection has an id of its own: tshark finds it by that.
    let packet = |id: u8, number, is_two, frames: &[u8]| {
        let id = [id; 8];
        let initial = Initial {
            is_two,
            number,
            ..Initial::to(&id)
        };
        initial.packet(frames)
    };
    let one = |id, number, frames: &[Vec<u8>]| packet(id, number, false, &padded(frames.concat()));
    let case = |what, port, datagrams: &[Vec<u8>], name: &str| Case {
        what,
        packets: datagrams
            .iter()
            .map(|bytes| ends(port, 443).udp(bytes))
            .collect(),
        expected: vec![Seen::Hello(datagrams.len() as u64, port, name.to_owned())],
    };
    let small = Made::to(NAME).message();
    let coalesced = [
        packet(6, 0, false, &crypto(0, &small[..40])),
        packet(6, 1, false, &padded(crypto(40, &small[40..]))),
    ];
    let shuffled = [vec![1, 0, 0], crypto(700, b), vec![1], crypto(0, a)];
    vec![
        case(
            "QUIC of RFC 9001",
            2000,
            &[RFC_9001.to_vec()],
            "example.com",
        ),
        case(ALONE, 2001, &[RFC_9369.to_vec()], "example.com"),
        case(
            "QUIC in one packet",
            2002,
            &[one(2, 0, &[crypto(0, &hello)])],
            NAME,
        ),
        case(
            "QUIC version 2",
            2003,
            &[packet(3, 0, true, &padded(crypto(0, &hello)))],
            NAME,
        ),
        case(
            "QUIC in two packets",
            2004,
            &[one(4, 0, &[crypto(0, a)]), one(4, 1, &[crypto(700, b)])],
            NAME,
        ),
        case(
            "QUIC in a packet, shuffled",
            2005,
            &[one(5, 3, &shuffled)],
            NAME,
        ),
        case(
            "QUIC, two packets in a datagram",
            2006,
            &[coalesced.concat()],
            NAME,
        ),
    ]
}

fn dns_messages() -> Vec<Case> {
    let answers = |port: u16, answer: &dns::Made, query: &dns::Made| {
        let ends = ends(port, 53);
        vec![ends.udp(&query.bytes()), ends.udp_answer(&answer.bytes())]
    };
    let case = |what, port, kind, packets: Vec<Vec<u8>>, found: &[&str]| {
        let mut found: Vec<_> = found.iter().map(|text| (*text).to_owned()).collect();
        found.sort();
        Case {
            what,
            expected: vec![
                Seen::Query(1, port, NAME.to_owned(), kind),
                Seen::Answer(packets.len() as u64, 53, NAME.to_owned(), kind, found),
            ],
            packets,
        }
    };
    let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let end = dns::name("end.example.net");
    let four = |last| record(QUESTION, A, 60, &[192, 0, 2, last]);
    let chain = [
        record(QUESTION, CNAME, 60, &end),
        record(&end, A, 60, &[192, 0, 2, 7]),
        record(&end, AAAA, 60, &six),
    ];
    let hints = binding(&[
        (1, b"\x02h2".to_vec()),
        (4, vec![192, 0, 2, 8]),
        (6, six.to_vec()),
    ]);
    let asked = |kind| dns::Made::query(7, "WWW.Example.com", kind);
    let told = |kind, records: &[Vec<u8>]| dns::Made::answer(7, "WWW.Example.com", kind, records);
    let many: Vec<_> = (0..64).map(four).collect();
    let texts: Vec<_> = (0..64).map(|last| format!("192.0.2.{last}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let large = told(1, &many).bytes();
    let fragmented = |port: u16| {
        let ends = ends(port, 53);
        let mut fragments = ends.udp_fragments(&large, 400);
        fragments.reverse();
        [vec![ends.udp(&asked(1).bytes())], fragments].concat()
    };
    vec![
        case(
            "DNS, an address",
            3000,
            1,
            answers(3000, &told(1, &[four(1)]), &asked(1)),
            &["192.0.2.1"],
        ),
        case(
            "DNS, a chain",
            3001,
            1,
            answers(3001, &told(1, &chain), &asked(1)),
            &["192.0.2.7", "2001:db8::9", "end.example.net"],
        ),
        case(
            "DNS, hints",
            3002,
            65,
            answers(
                3002,
                &told(HTTPS, &[record(QUESTION, HTTPS, 60, &hints)]),
                &asked(HTTPS),
            ),
            &["192.0.2.8", "2001:db8::9"],
        ),
        case(
            "DNS, no such name",
            3003,
            28,
            answers(
                3003,
                &dns::Made {
                    flags: 0x8183,
                    ..told(AAAA, &[])
                },
                &asked(AAAA),
            ),
            &[],
        ),
        case("DNS in fragments", 3004, 1, fragmented(3004), &texts),
        case(
            "DNS in fragments of IPv6",
            3005,
            1,
            fragmented(3005),
            &texts,
        ),
        over_tcp(3006, &asked(1).bytes(), &told(1, &[four(3)]).bytes()),
    ]
}

/// A query and an answer over TCP, each in two segments.
fn over_tcp(port: u16, query: &[u8], answer: &[u8]) -> Case {
    let ends = ends(port, 53);
    let framed = |message: &[u8]| [&(message.len() as u16).to_be_bytes()[..], message].concat();
    let (query, answer) = (framed(query), framed(answer));
    let packets = [
        ends.handshake(),
        vec![
            ends.says(0, 0, &query[..1]),
            ends.says(1, 0, &query[1..]),
            ends.answers(0, query.len(), &answer[..20]),
            ends.answers(20, query.len(), &answer[20..]),
        ],
    ]
    .concat();
    Case {
        what: "DNS over TCP",
        packets,
        expected: vec![
            Seen::Query(5, port, NAME.to_owned(), 1),
            Seen::Answer(7, 53, NAME.to_owned(), 1, vec!["192.0.2.3".to_owned()]),
        ],
    }
}
