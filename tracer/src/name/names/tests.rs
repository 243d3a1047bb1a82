//! Which name a contact gets, and that no other one does.

use proptest::prelude::*;
use tracer_common::map::PROTOCOL_UDP;

use super::*;
use crate::name::{
    dns::made::{self as message, A, CNAME},
    hello::made::{self as handshake, records},
    quic::made as initial,
};

#[path = "tests/traces.rs"]
mod traces;

const SERVER: &str = "192.0.2.1";
const RESOLVER: &str = "10.0.0.53";

fn address(text: &str) -> Address {
    Address::of(text.parse().expect("an address"))
}

/// Programs, and the clock.
#[derive(Default)]
struct World {
    names: Names,
    now: u64,
}

impl World {
    fn next(&mut self) -> u64 {
        self.now += 1_000_000;
        self.now
    }

    fn datagram(&mut self, kind: u8, process: u64, socket: u64, from: &str, bytes: &[u8]) {
        let event = NameEvent {
            socket,
            at_ns: self.next(),
            process: if kind == DATAGRAM_OUT { process } else { 0 },
            thread: process as u32,
            address: address(from),
            port: DNS,
            protocol: PROTOCOL_UDP,
            kind,
            length: bytes.len() as u32,
            ..NameEvent::default()
        };
        self.names.take(&event, bytes);
    }

    /// A program asks and is told.
    fn look_up(&mut self, process: u64, name: &str, addresses: &[&str]) {
        self.look_up_for(process, name, addresses, 60);
    }

    fn look_up_for(&mut self, process: u64, name: &str, addresses: &[&str], seconds: u32) {
        let query = message::Made::query(7, name, A).bytes();
        let socket = 1000 + process;
        self.datagram(DATAGRAM_OUT, process, socket, RESOLVER, &query);
        let answers: Vec<_> = addresses
            .iter()
            .map(|address| {
                let ip: std::net::Ipv4Addr = address.parse().expect("an address");
                message::record(message::QUESTION, A, seconds, &ip.octets())
            })
            .collect();
        let answer = message::Made::answer(7, name, A, &answers).bytes();
        self.datagram(DATAGRAM_IN, process, socket, RESOLVER, &answer);
    }

    /// A program begins a contact.
    fn connect(&mut self, process: u64, to: &str) -> Contact {
        let began_ns = self.next();
        Contact {
            id: Id {
                socket: began_ns,
                began_ns,
                address: address(to),
                port: 0,
            },
            process,
            thread: process as u32,
        }
    }

    /// It sends over TCP.
    fn send(&mut self, contact: &Contact, offset: u32, bytes: &[u8]) {
        let event = NameEvent {
            socket: contact.id.socket,
            began_ns: contact.id.began_ns,
            at_ns: self.next(),
            process: contact.process,
            address: contact.id.address,
            port: 443,
            protocol: PROTOCOL_TCP,
            kind: STREAM_OUT,
            offset,
            length: bytes.len() as u32,
            ..NameEvent::default()
        };
        self.names.take(&event, bytes);
    }

    fn shake_hands(&mut self, contact: &Contact, hello: &handshake::Made) {
        self.send(contact, 0, &records(&hello.message(), 16_384));
    }

    #[track_caller]
    fn check(&self, contact: &Contact, expected: Option<(&str, NameSource)>) {
        let name = self.names.name(contact);
        let name = name.as_ref().map(|name| (&*name.text, name.source));
        assert_eq!(name, expected);
    }
}

fn to(name: &str) -> handshake::Made {
    handshake::Made::to(name)
}

fn without_name() -> handshake::Made {
    handshake::Made::default()
}

fn with_ech(name: &str) -> handshake::Made {
    handshake::Made {
        ech: true,
        ..to(name)
    }
}

#[test]
fn two_names_of_one_address_are_told_apart_by_the_handshake_alone() {
    let mut world = World::default();
    world.look_up(1, "a.example", &[SERVER]);
    world.look_up(1, "b.example", &[SERVER]);
    let mut plain = world.connect(1, SERVER);
    // Another thread than the one that asked.
    plain.thread = 99;
    world.check(&plain, None);
    for name in ["a.example", "b.example"] {
        let contact = world.connect(1, SERVER);
        world.shake_hands(&contact, &to(name));
        world.check(&contact, Some((name, NameSource::Sni)));
    }
}

#[test]
fn the_last_name_that_this_very_thread_was_told_is_the_one() {
    let mut world = World::default();
    world.look_up(1, "a.example", &[SERVER]);
    world.look_up(1, "b.example", &[SERVER]);
    let plain = world.connect(1, SERVER);
    world.check(&plain, Some(("b.example", NameSource::Lookup)));
    world.look_up(1, "a.example", &[SERVER]);
    let again = world.connect(1, SERVER);
    world.check(&again, Some(("a.example", NameSource::Lookup)));
    // What came later does not change what went before.
    world.check(&plain, Some(("b.example", NameSource::Lookup)));
}

#[test]
fn each_app_has_the_name_that_it_asked_for() {
    let mut world = World::default();
    world.look_up(1, "a.example", &[SERVER]);
    world.look_up(2, "b.example", &[SERVER]);
    let (one, two) = (world.connect(1, SERVER), world.connect(2, SERVER));
    world.check(&one, Some(("a.example", NameSource::Lookup)));
    world.check(&two, Some(("b.example", NameSource::Lookup)));
    // A third one that asked for none: two names speak for it, so none does.
    let three = world.connect(3, SERVER);
    world.check(&three, None);
}

#[test]
fn what_another_app_asked_for_counts_only_where_nothing_says_otherwise() {
    let mut world = World::default();
    world.look_up(1, "a.example", &[SERVER, "10.1.2.3", "127.0.0.9"]);
    let contact = world.connect(2, SERVER);
    world.check(&contact, Some(("a.example", NameSource::Dns)));
    // A handshake without a name.
    world.shake_hands(&contact, &without_name());
    world.check(&contact, None);
    // Addresses that are another machine's elsewhere.
    for private in ["10.1.2.3", "127.0.0.9"] {
        let contact = world.connect(2, private);
        world.check(&contact, None);
    }
    // Its own lookup counts all the same.
    let own = world.connect(1, "10.1.2.3");
    world.shake_hands(&own, &without_name());
    world.check(&own, Some(("a.example", NameSource::Lookup)));
}

#[test]
fn an_answer_holds_for_others_as_long_as_it_says_but_a_minute_at_the_least_and_ten_at_the_most() {
    let second = 1_000_000_000;
    for (seconds, holds) in [(1, 60), (300, 300), (86_400, 600)] {
        let mut world = World::default();
        world.look_up_for(1, "a.example", &[SERVER], seconds);
        let told = world.now;
        world.now = told + (holds - 1) * second;
        let before = world.connect(2, SERVER);
        world.check(&before, Some(("a.example", NameSource::Dns)));
        world.now = told + (holds + 1) * second;
        let after = world.connect(2, SERVER);
        world.check(&after, None);
        // Who asked himself may keep it for ever.
        let own = world.connect(1, SERVER);
        world.check(&own, Some(("a.example", NameSource::Lookup)));
    }
}

#[test]
fn a_lookup_after_the_contact_began_says_nothing_of_it() {
    let mut world = World::default();
    let contact = world.connect(1, SERVER);
    world.look_up(1, "a.example", &[SERVER]);
    world.check(&contact, None);
}

#[test]
fn an_answer_counts_for_who_asked_that_over_that_socket() {
    let query = |id, name: &str| message::Made::query(id, name, A).bytes();
    let answer = |id, name: &str, flags: u16| {
        let record = message::record(message::QUESTION, A, 60, &[192, 0, 2, 1]);
        let made = message::Made::answer(id, name, A, &[record]);
        message::Made {
            flags: made.flags | flags,
            ..made
        }
        .bytes()
    };
    let check = |socket, from, answer: &[u8], expected: bool| {
        let mut world = World::default();
        world.datagram(DATAGRAM_OUT, 1, 5, RESOLVER, &query(7, "a.example"));
        world.datagram(DATAGRAM_IN, 0, socket, from, answer);
        let contact = world.connect(1, SERVER);
        let expected = expected.then_some(("a.example", NameSource::Lookup));
        world.check(&contact, expected);
    };
    check(5, RESOLVER, &answer(7, "a.example", 0), true);
    check(5, RESOLVER, &answer(7, "A.exAmple", 0), true);
    check(6, RESOLVER, &answer(7, "a.example", 0), false);
    check(5, "10.0.0.54", &answer(7, "a.example", 0), false);
    check(5, RESOLVER, &answer(8, "a.example", 0), false);
    check(5, RESOLVER, &answer(7, "b.example", 0), false);
    // Cut: whoever asked asks again.
    check(5, RESOLVER, &answer(7, "a.example", 0x0200), false);
}

#[test]
fn the_question_is_the_name_and_the_chain_is_kept() {
    let mut world = World::default();
    let query = message::Made::query(7, "www.example", A).bytes();
    world.datagram(DATAGRAM_OUT, 1, 5, RESOLVER, &query);
    let edge = message::name("edge.cdn.example");
    let answers = [
        message::record(message::QUESTION, CNAME, 60, &edge),
        message::record(&edge, A, 60, &[192, 0, 2, 1]),
    ];
    let answer = message::Made::answer(7, "www.example", A, &answers).bytes();
    world.datagram(DATAGRAM_IN, 0, 5, RESOLVER, &answer);
    let contact = world.connect(1, SERVER);
    world.check(&contact, Some(("www.example", NameSource::Lookup)));
    let naming = world.names.naming(&contact).expect("a candidate");
    assert_eq!(naming.candidates.len(), 1);
    assert_eq!(*naming.candidates[0].chain, ["edge.cdn.example".into()]);
}

#[test]
fn with_ech_the_name_that_is_shown_stands_only_where_nothing_speaks_against_it() {
    // Asked for: that of GREASE.
    let mut world = World::default();
    world.look_up(1, "a.example", &[SERVER]);
    world.look_up(1, "b.example", &[SERVER]);
    let contact = world.connect(1, SERVER);
    world.shake_hands(&contact, &with_ech("a.example"));
    world.check(&contact, Some(("a.example", NameSource::Sni)));
    // Asked for another one: that one.
    let mut world = World::default();
    world.look_up(1, "hidden.example", &[SERVER]);
    let contact = world.connect(1, SERVER);
    world.shake_hands(&contact, &with_ech("cloudflare-ech.com"));
    world.check(&contact, Some(("hidden.example", NameSource::Lookup)));
    let naming = world.names.naming(&contact).expect("two candidates");
    assert!(naming.ech && naming.hello);
    assert_eq!(naming.candidates.len(), 2);
    // Nobody was seen to ask.
    for (shown, expected) in [
        ("a.example", Some(("a.example", NameSource::Sni))),
        ("cloudflare-ech.com", None),
    ] {
        let mut world = World::default();
        let contact = world.connect(1, SERVER);
        world.shake_hands(&contact, &with_ech(shown));
        world.check(&contact, expected);
    }
}

#[test]
fn a_hello_in_pieces_is_one_and_its_place_is_told() {
    let hello = records(&to("a.example").message(), 100);
    for size in [1, 7, hello.len()] {
        for offset in [0_usize, 46] {
            let mut world = World::default();
            let contact = world.connect(1, SERVER);
            for (at, piece) in hello.chunks(size).enumerate() {
                world.check(&contact, None);
                world.send(&contact, (offset + at * size) as u32, piece);
            }
            world.check(&contact, Some(("a.example", NameSource::Sni)));
            let naming = world.names.naming(&contact).expect("a candidate");
            assert_eq!(naming.candidates[0].offset, Some(offset as u32));
        }
    }
}

#[test]
fn of_an_unfinished_hello_and_of_one_with_a_gap_there_is_no_name() {
    let hello = records(&to("a.example").message(), 16_384);
    for end in 0..hello.len() {
        let mut world = World::default();
        let contact = world.connect(1, SERVER);
        world.send(&contact, 0, &hello[..end]);
        world.check(&contact, None);
        // A piece that found no room.
        world.send(&contact, end as u32 + 1, &hello[end + 1..]);
        world.check(&contact, None);
    }
}

#[test]
fn what_only_looked_like_a_hello_hides_none() {
    let mut world = World::default();
    let contact = world.connect(1, SERVER);
    world.send(&contact, 0, &[0x16]);
    assert!(world.names.may_hear(&contact.id));
    let hello = records(&to("a.example").message(), 16_384);
    world.send(&contact, 9, &hello);
    world.check(&contact, Some(("a.example", NameSource::Sni)));
}

#[test]
fn a_handshake_of_quic_names_its_flow() {
    let mut world = World::default();
    let mut contact = world.connect(1, SERVER);
    contact.id.port = 443;
    let hello = to("a.example").message();
    let frames = initial::crypto(0, &hello);
    let datagrams = [initial::Initial::to(&[9; 8]).packet(&frames)];
    let event = NameEvent {
        socket: contact.id.socket,
        began_ns: contact.id.began_ns,
        at_ns: world.next(),
        process: 1,
        address: contact.id.address,
        port: 443,
        protocol: PROTOCOL_UDP,
        kind: DATAGRAM_OUT,
        ..NameEvent::default()
    };
    for datagram in &datagrams {
        world.names.take(&event, datagram);
    }
    world.check(&contact, Some(("a.example", NameSource::Quic)));
}

#[test]
fn dns_over_tcp_is_the_same_however_it_is_cut() {
    for size in [1, 5, 1000] {
        let mut world = World::default();
        let contact = world.connect(1, RESOLVER);
        let record = message::record(message::QUESTION, A, 60, &[192, 0, 2, 1]);
        let query = message::Made::query(7, "a.example", A).bytes();
        let answer = message::Made::answer(7, "a.example", A, &[record]).bytes();
        for (kind, bytes) in [(STREAM_OUT, query), (STREAM_IN, answer)] {
            let stream = [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
            for (at, piece) in stream.chunks(size).enumerate() {
                let event = NameEvent {
                    offset: (at * size) as u32,
                    socket: contact.id.socket,
                    began_ns: contact.id.began_ns,
                    at_ns: world.next(),
                    process: 1,
                    thread: 1,
                    address: contact.id.address,
                    port: DNS,
                    protocol: PROTOCOL_TCP,
                    kind,
                    ..NameEvent::default()
                };
                world.names.take(&event, piece);
                // Sent once more.
                world.names.take(&event, piece);
                // Somebody looked who lives before it began.
                world.names.keep(|_| false);
            }
        }
        let contact = world.connect(1, SERVER);
        world.check(&contact, Some(("a.example", NameSource::Lookup)));
        assert_eq!(world.names.requests().len(), 1);
        world.now += SILENCE_NS;
        world.look_up(2, "b.example", &[SERVER]);
        world.names.keep(|_| false);
        assert!(world.names.streams.is_empty(), "nobody told its end");
    }
}

#[test]
fn what_is_told_to_all_counts_for_who_asked_and_for_nobody_who_did_not() {
    let record = |name: &str| message::record(&message::name(name), A, 60, &[192, 0, 2, 1]);
    let told = |name: &str| message::Made {
        id: 0,
        flags: 0x8400,
        answers: vec![record(name)],
        ..message::Made::default()
    };
    let check = |asked: Option<&str>, announced: &str, expected: Option<NameSource>| {
        let mut world = World::default();
        let event = |world: &mut World, kind, from| NameEvent {
            socket: 5,
            at_ns: world.next(),
            process: 1,
            thread: 1,
            address: address(from),
            port: MULTICAST_DNS,
            protocol: PROTOCOL_UDP,
            kind,
            ..NameEvent::default()
        };
        if let Some(name) = asked {
            let event = event(&mut world, DATAGRAM_OUT, "224.0.0.251");
            let query = message::Made::query(0, name, A).bytes();
            world.names.take(&event, &query);
        }
        let event = event(&mut world, DATAGRAM_IN, "192.0.2.9");
        world.names.take(&event, &told(announced).bytes());
        let contact = world.connect(1, SERVER);
        world.check(&contact, expected.map(|source| (announced, source)));
    };
    check(Some("a.local"), "a.local", Some(NameSource::Lookup));
    check(Some("b.local"), "a.local", None);
    check(None, "bank.example", None);
}

#[test]
fn nobody_has_a_name_without_an_address() {
    let mut world = World::default();
    world.look_up(1, "a.example", &["0.0.0.0"]);
    let contact = world.connect(1, "0.0.0.0");
    world.check(&contact, None);
}

#[test]
fn one_program_that_asks_without_end_takes_no_place_of_others() {
    let mut world = World::default();
    world.look_up(2, "other.example", &["192.0.2.2"]);
    for number in 0..10_000_u32 {
        let ip = std::net::Ipv4Addr::from(0x0808_0000 + number).to_string();
        world.look_up(1, &format!("n{number}.example"), &[&ip]);
    }
    let other = world.connect(2, "192.0.2.2");
    world.check(&other, Some(("other.example", NameSource::Lookup)));
    // The oldest of its own are forgotten; what the device was told is not.
    let (first, last) = (world.connect(1, "8.8.0.0"), world.connect(1, "8.8.39.15"));
    world.check(&first, Some(("n0.example", NameSource::Dns)));
    world.check(&last, Some(("n9999.example", NameSource::Lookup)));
    world.names.forget(1);
    world.check(&last, Some(("n9999.example", NameSource::Dns)));
}

proptest! {
    #[test]
    fn any_bytes_in_any_events_do_no_harm(
        events in prop::collection::vec(
            (0_u8..6, 0_u16..4, 0_u64..3, 0_u32..40, prop::collection::vec(any::<u8>(), 0..80)),
            0..60,
        ),
    ) {
        let mut names = Names::default();
        for (at, (kind, port, socket, offset, bytes)) in events.iter().enumerate() {
            let event = NameEvent {
                socket: *socket,
                at_ns: at as u64,
                process: *socket,
                kind: *kind,
                port: [DNS, MULTICAST_DNS, 443, 0][usize::from(*port)],
                offset: *offset,
                segment: offset % 3,
                ..NameEvent::default()
            };
            names.take(&event, bytes);
        }
        names.keep(|_| false);
    }
}
