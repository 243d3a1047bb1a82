//! Whether a lookup was seen, and of whom lookups cannot be.

use tracer_common::name::STREAM_BYTES;

use super::*;

#[track_caller]
fn check(world: &World, name: &str, to: &str, expected: Trace) {
    assert_eq!(
        world.names.trace(name, &address(to)),
        expected,
        "{name} {to}"
    );
}

#[test]
fn what_anybody_asked_for_or_was_told_is_found_for_good() {
    let mut world = World::default();
    world.look_up(1, "a.example", &[SERVER, "192.0.2.2"]);
    check(&world, "a.example", "198.51.100.1", Trace::Found);
    check(&world, "b.example", SERVER, Trace::Found);
    check(&world, "b.example", "192.0.2.2", Trace::Found);
    check(&world, "b.example", "192.0.2.3", Trace::None);
    // Where no address is told, or who asked is gone.
    world.look_up(2, "none.example", &[]);
    check(&world, "none.example", "192.0.2.3", Trace::Found);
    world.names.forget(1);
    world.now += 1 << 50;
    world.names.keep(|_| false);
    check(&world, "a.example", "198.51.100.1", Trace::Found);
    // What nobody asked for is no answer.
    let answer = message::Made::answer(
        9,
        "c.example",
        A,
        &[message::record(message::QUESTION, A, 60, &[192, 0, 2, 3])],
    );
    world.datagram(DATAGRAM_IN, 3, 7, RESOLVER, &answer.bytes());
    check(&world, "c.example", "192.0.2.3", Trace::None);
}

#[test]
fn a_name_that_another_one_leads_to_is_found_too() {
    let mut world = World::default();
    let query = message::Made::query(7, "a.example", A).bytes();
    world.datagram(DATAGRAM_OUT, 1, 5, RESOLVER, &query);
    let answers = [
        message::record(message::QUESTION, CNAME, 60, &message::name("edge.example")),
        message::record(&message::name("edge.example"), A, 60, &[192, 0, 2, 1]),
    ];
    let answer = message::Made::answer(7, "a.example", A, &answers).bytes();
    world.datagram(DATAGRAM_IN, 1, 5, RESOLVER, &answer);
    check(&world, "edge.example", "192.0.2.9", Trace::Found);
    check(&world, "other.example", SERVER, Trace::Found);
}

#[test]
fn a_program_whose_question_cannot_be_read_is_told_once() {
    let mut world = World::default();
    let query = message::Made::query(7, "a.example", A).bytes();
    world.datagram(DATAGRAM_OUT, 1, 5, RESOLVER, &query);
    assert_eq!(world.names.unread(), HashSet::new());
    // Cut, and no question at all. What arrives is nobody's question.
    world.datagram(DATAGRAM_OUT, 2, 5, RESOLVER, &query[..query.len() - 1]);
    world.datagram(DATAGRAM_OUT, 3, 5, RESOLVER, b"");
    world.datagram(DATAGRAM_IN, 4, 5, RESOLVER, b"");
    assert_eq!(world.names.unread(), [2, 3].into());
    assert_eq!(world.names.unread(), HashSet::new());
    for process in 0..crate::name::requests::UNREAD as u64 + 2 {
        world.datagram(DATAGRAM_OUT, process, 5, RESOLVER, b"");
    }
    assert_eq!(world.names.lost(), 2);
    assert_eq!(world.names.unread().len(), crate::name::requests::UNREAD);
}

#[test]
fn over_tcp_a_program_is_told_before_its_questions_go_out_of_sight() {
    let mut world = World::default();
    let query = message::Made::query(7, "a.example", A).bytes();
    let whole = [&(query.len() as u16).to_be_bytes()[..], &query].concat();
    let contact = world.connect(1, RESOLVER);
    let mut ask = |offset: u32, bytes: &[u8]| {
        let event = NameEvent {
            socket: contact.id.socket,
            began_ns: contact.id.began_ns,
            at_ns: world.next(),
            process: 1,
            address: contact.id.address,
            port: DNS,
            protocol: PROTOCOL_TCP,
            kind: STREAM_OUT,
            offset,
            length: bytes.len() as u32,
            ..NameEvent::default()
        };
        world.names.take(&event, bytes);
        world.names.unread()
    };
    let length = whole.len() as u32;
    let fits = STREAM_BYTES / 2 / length;
    for count in 0..fits {
        assert_eq!(ask(count * length, &whole), HashSet::new(), "{count}");
    }
    assert_eq!(ask(fits * length, &whole), [1].into());
}

#[test]
fn a_hello_is_behind_what_its_stream_begins_with() {
    let mut world = World::default();
    let hello = records(&to("a.example").message(), 16_384);
    let first = world.connect(1, SERVER);
    world.send(&first, 0, &hello);
    let later = world.connect(1, SERVER);
    world.send(&later, 300, &hello);
    let silent = world.connect(1, SERVER);
    let behind = [first, later, silent].map(|contact| world.names.is_behind(&contact.id));
    assert_eq!(behind, [false, true, false]);
}
