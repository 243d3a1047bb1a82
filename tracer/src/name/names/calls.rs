//! Calls of a C library, alone and with what the library asks DNS meanwhile.

use tracer_common::name::{ADDRESSES, Answered, NAME_BYTES};
use zerocopy::IntoBytes as _;

use super::*;
use crate::{
    model::Via,
    name::{dns::made as message, proxy::made as proxy},
};

const A: u16 = 1;
const SERVER: &str = "192.0.2.1";
const RESOLVER: &str = "10.0.0.53";

#[derive(Default)]
struct World {
    names: Names,
    now: u64,
}

fn address(text: &str) -> Address {
    Address::of(text.parse().expect("an address"))
}

impl World {
    fn next(&mut self) -> u64 {
        self.now += 10;
        self.now
    }

    /// A thread's library answers a call that began then.
    fn answered(&mut self, who: (u64, u32), began_ns: u64, name: &str, addresses: &[&str]) {
        let mut answered = Answered {
            name: [0; NAME_BYTES],
            addresses: [Address::ANY; ADDRESSES],
            result: i32::from(addresses.is_empty()),
            wishes: 0,
            count: addresses.len() as u64,
        };
        answered.name[..name.len()].copy_from_slice(name.as_bytes());
        for (place, text) in answered.addresses.iter_mut().zip(addresses) {
            *place = address(text);
        }
        let event = NameEvent {
            began_ns,
            at_ns: self.next(),
            process: who.0,
            thread: who.1,
            kind: ANSWERED,
            length: size_of::<Answered>() as u32,
            ..NameEvent::default()
        };
        self.names.take(&event, answered.as_bytes());
    }

    /// A call that nobody sees the library ask for.
    fn call(&mut self, who: (u64, u32), name: &str, addresses: &[&str]) {
        let began_ns = self.next();
        self.answered(who, began_ns, name, addresses);
    }

    /// A question over the program's own socket, and its answer.
    fn dns(&mut self, who: (u64, u32), within_call: u32, name: &str, last: u8) {
        let record = message::record(message::QUESTION, A, 60, &[192, 0, 2, last]);
        for (kind, bytes) in [
            (DATAGRAM_OUT, message::Made::query(7, name, A).bytes()),
            (
                DATAGRAM_IN,
                message::Made::answer(7, name, A, &[record]).bytes(),
            ),
        ] {
            let event = NameEvent {
                socket: 5,
                at_ns: self.next(),
                process: who.0,
                thread: who.1,
                within_call,
                address: address(RESOLVER),
                port: DNS,
                kind,
                length: bytes.len() as u32,
                ..NameEvent::default()
            };
            self.names.take(&event, &bytes);
        }
    }

    /// A question to Android's resolver, and its answer.
    fn proxy(&mut self, who: (u64, u32), within_call: u32, name: &str, to: &str) {
        let question = format!("getaddrinfo {name} 443 1024 0 1 6 100\0").into_bytes();
        let said = [(PROXY_OUT, question)].into_iter();
        let told = proxy::list(&[to.parse().expect("an address")]).into_iter();
        for (kind, bytes) in said.chain(told.map(|bytes| (PROXY_IN, bytes))) {
            let who = if kind == PROXY_OUT { who } else { (0, 0) };
            let event = NameEvent {
                socket: 7,
                at_ns: self.next(),
                process: who.0,
                thread: who.1,
                within_call,
                kind,
                length: bytes.len() as u32,
                ..NameEvent::default()
            };
            self.names.take(&event, &bytes);
        }
    }

    fn contact(&mut self, who: (u64, u32), to: &str) -> Contact {
        Contact {
            id: Id {
                socket: 9,
                began_ns: self.next(),
                address: address(to),
                port: 0,
            },
            process: who.0,
            thread: who.1,
        }
    }

    #[track_caller]
    fn check(&mut self, who: (u64, u32), to: &str, expected: Option<(&str, NameSource)>) {
        let contact = self.contact(who, to);
        let name = self.names.name(&contact);
        let name = name.as_ref().map(|name| (&*name.text, name.source));
        assert_eq!(name, expected);
    }

    fn asked(&mut self) -> Vec<(u64, String, Via)> {
        let requests = self.names.requests().into_iter();
        let told = requests.map(|request| (request.process, request.name.to_string(), request.via));
        told.collect()
    }
}

#[test]
fn a_call_is_a_lookup_of_its_thread_and_counts_once() {
    let mut world = World::default();
    world.call((1, 11), "a.example", &[SERVER, "2001:db8::1", "10.0.0.1"]);
    world.call((1, 12), "b.example", &[SERVER]);
    world.check((1, 11), SERVER, Some(("a.example", NameSource::Lookup)));
    world.check((1, 12), SERVER, Some(("b.example", NameSource::Lookup)));
    world.check((1, 11), "10.0.0.1", Some(("a.example", NameSource::Lookup)));
    // Neither of the two: two names speak for it.
    world.check((1, 13), SERVER, None);
    world.check(
        (1, 13),
        "2001:db8::1",
        Some(("a.example", NameSource::Lookup)),
    );
    let asked = [
        (1, "a.example".to_owned(), Via::Library),
        (1, "b.example".to_owned(), Via::Library),
    ];
    assert_eq!(world.asked(), asked);
}

#[test]
fn what_others_asked_their_libraries_for_is_known_on_the_device() {
    let mut world = World::default();
    world.call((1, 1), "a.example", &[SERVER, "10.0.0.1"]);
    world.check((2, 2), SERVER, Some(("a.example", NameSource::Dns)));
    world.check((2, 2), "10.0.0.1", None);
}

#[test]
fn a_call_that_fails_counts_and_names_nothing() {
    let mut world = World::default();
    world.call((1, 1), "a.example", &[]);
    world.check((1, 1), SERVER, None);
    assert_eq!(world.asked(), [(1, "a.example".to_owned(), Via::Library)]);
    world.call((1, 1), SERVER, &[SERVER]);
    assert_eq!(world.asked(), []);
    world.check((1, 1), SERVER, None);
}

#[test]
fn a_question_of_the_library_is_the_calls() {
    let mut world = World::default();
    let began = world.next();
    world.dns((1, 1), 1, "a.example", 1);
    world.answered((1, 1), began, "A.Example.", &[SERVER]);
    world.check((1, 1), SERVER, Some(("a.example", NameSource::Lookup)));
    assert_eq!(world.asked(), [(1, "a.example".to_owned(), Via::Library)]);
    // One of its own is none of a call's.
    world.dns((1, 1), 0, "a.example", 1);
    assert_eq!(world.asked(), [(1, "a.example".to_owned(), Via::Dns)]);
}

/// With `AI_IDN` the library asks for what the name is on the wire.
#[test]
fn a_call_of_a_name_in_other_letters_counts_by_what_was_asked_for() {
    let mut world = World::default();
    let (began, translated) = (world.next(), "xn--bcher-kva.example");
    world.dns((1, 1), 1, translated, 1);
    world.answered((1, 1), began, "bücher.example", &[SERVER]);
    world.check((1, 1), SERVER, Some((translated, NameSource::Lookup)));
    assert_eq!(world.asked(), [(1, translated.to_owned(), Via::Library)]);
    // Nobody was asked.
    world.call((1, 1), "bücher.example", &[]);
    assert_eq!(world.asked(), []);
}

#[test]
fn what_is_asked_in_a_call_that_never_returns_counts_with_the_next_or_after_a_while() {
    let mut world = World::default();
    let dns = |name: &str| (1, name.to_owned(), Via::Dns);
    world.dns((1, 1), 1, "a.example", 1);
    assert_eq!(world.asked(), []);
    world.call((1, 1), "b.example", &[]);
    let called = (1, "b.example".to_owned(), Via::Library);
    assert_eq!(world.asked(), [dns("a.example"), called]);
    world.dns((1, 1), 1, "a.example", 1);
    world.now += 121 * 1_000_000_000;
    world.dns((1, 2), 0, "b.example", 1);
    assert_eq!(world.asked(), [dns("b.example"), dns("a.example")]);
}

#[test]
fn a_longer_name_that_the_library_tries_is_the_whole_name() {
    let mut world = World::default();
    let began = world.next();
    world.dns((1, 1), 1, "web.corp.example", 1);
    world.answered((1, 1), began, "web", &[SERVER, "192.0.2.2"]);
    let whole = "web.corp.example";
    world.check((1, 1), SERVER, Some((whole, NameSource::Lookup)));
    world.check((1, 2), SERVER, Some((whole, NameSource::Lookup)));
    world.check((2, 2), SERVER, Some((whole, NameSource::Dns)));
    assert_eq!(world.asked(), [(1, "web".to_owned(), Via::Library)]);
    // Of an address that DNS did not tell, the library has it from elsewhere.
    world.check((1, 1), "192.0.2.2", Some(("web", NameSource::Lookup)));
    // A call that asks nobody anew says by which name it is meant now.
    world.call((1, 1), "web", &[SERVER]);
    world.check((1, 1), SERVER, Some(("web", NameSource::Lookup)));
}

#[test]
fn a_contact_that_is_named_late_has_the_name_that_its_thread_was_told_last_before_it() {
    let mut world = World::default();
    let names = ["a.example", "b.example"];
    let contacts: Vec<_> = (0..6)
        .flat_map(|_| names)
        .map(|name| {
            world.call((1, 1), name, &[SERVER]);
            (name, world.contact((1, 1), SERVER))
        })
        .collect();
    for (name, contact) in contacts {
        let found = world.names.name(&contact).expect("a name");
        assert_eq!(&*found.text, name);
    }
}

#[test]
fn what_androids_resolver_is_asked_past_the_library_is_a_lookup_and_counts_as_such() {
    let mut world = World::default();
    world.proxy((1, 11), 0, "a.example", SERVER);
    world.proxy((1, 12), 0, "b.example", SERVER);
    world.check((1, 11), SERVER, Some(("a.example", NameSource::Lookup)));
    world.check((1, 12), SERVER, Some(("b.example", NameSource::Lookup)));
    let asked = [
        (1, "a.example".to_owned(), Via::Proxy),
        (1, "b.example".to_owned(), Via::Proxy),
    ];
    assert_eq!(world.asked(), asked);
}

#[test]
fn what_the_library_asks_it_is_the_librarys_and_counts_once() {
    let mut world = World::default();
    let began_ns = world.next();
    world.proxy((1, 11), 1, "a.example", SERVER);
    // The library has not said yet what it is told.
    world.check((1, 11), SERVER, None);
    world.answered((1, 11), began_ns, "a.example", &[SERVER]);
    world.check((1, 11), SERVER, Some(("a.example", NameSource::Lookup)));
    let asked = [(1, "a.example".to_owned(), Via::Library)];
    assert_eq!(world.asked(), asked);
    // A call that was left: its question counts all the same.
    world.proxy((2, 22), 1, "b.example", SERVER);
    world.names.end_questions(2);
    assert_eq!(world.asked(), [(2, "b.example".to_owned(), Via::Proxy)]);
}

#[test]
fn whoever_asks_it_what_cannot_be_read_is_told_of() {
    let mut world = World::default();
    world.proxy((3, 33), 0, "\"a.example\"", SERVER);
    world.check((3, 33), SERVER, None);
    assert_eq!(world.names.unread(), [3].into());
    assert_eq!(world.asked(), []);
}
