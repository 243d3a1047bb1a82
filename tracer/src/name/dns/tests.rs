//! Are names and addresses found in messages as they were made, and nothing else?

use proptest::prelude::*;

use super::{
    made::{A, AAAA, CNAME, HTTPS, Made, QUESTION, binding, question, record},
    *,
};

const NAME: &str = "www.example.com";

fn text(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

fn answer(made: &Made) -> Answer {
    match message(&made.bytes()) {
        Some(Message::Answer(answer)) => answer,
        other => panic!("{other:?} is no answer"),
    }
}

/// Chain and addresses of an answer to a question for `NAME`.
fn check(answers: &[Vec<u8>], chain: &[&str], addresses: &[(&str, u32)]) {
    let found = answer(&Made::answer(7, NAME, A, answers));
    assert_eq!(found.question.name, NAME);
    assert_eq!(found.chain, chain);
    let addresses = addresses.iter().map(|(at, ttl)| (text(at), *ttl));
    assert_eq!(found.addresses, addresses.collect::<Vec<_>>());
}

#[test]
fn a_query_has_its_name_type_and_number() {
    let check = |name: &str, kind, expected: &str| {
        let expected = Question {
            id: 0x1234,
            name: expected.to_owned(),
            kind,
        };
        let made = Made::query(0x1234, name, kind);
        assert_eq!(message(&made.bytes()), Some(Message::Query(expected)));
    };
    check("WWW.Example.com", A, NAME);
    check(NAME, HTTPS, NAME);
    check("", 2, ".");
    check("xn--bcher-kva.example", AAAA, "xn--bcher-kva.example");
    // Types that the library does not know.
    check("_25._tcp.example", 52, "_25._tcp.example");
    check("example", 65_280, "example");
}

#[test]
fn addresses_are_those_at_the_end_of_the_chain() {
    let a = |owner: &[u8], last, ttl| record(owner, A, ttl, &[192, 0, 2, last]);
    let to = |owner: &[u8], target: &str, ttl| record(owner, CNAME, ttl, &made::name(target));
    let one = made::name("one.example");
    let end = made::name("END.example");
    check(
        &[a(QUESTION, 1, 60), a(QUESTION, 2, 30), a(QUESTION, 1, 9)],
        &[],
        &[("192.0.2.1", 60), ("192.0.2.2", 30)],
    );
    // In any order; somebody else's address is not taken.
    check(
        &[
            a(&end, 1, 60),
            to(&one, "end.Example", 20),
            a(&one, 8, 60),
            a(&made::name("other.example"), 9, 60),
            to(QUESTION, "One.example", 40),
        ],
        &["one.example", "end.example"],
        &[("192.0.2.1", 20)],
    );
    check(&[to(QUESTION, "one.example", 40)], &["one.example"], &[]);
    check(&[], &[], &[]);
    let six = |bytes: &[u8]| record(QUESTION, AAAA, 5, bytes);
    check(
        &[
            six(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            six(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]),
        ],
        &[],
        &[("2001:db8::1", 5), ("192.0.2.1", 5)],
    );
    check(&[a(QUESTION, 1, u32::MAX)], &[], &[("192.0.2.1", 0)]);
    // Not of the Internet.
    let mut chaos = a(QUESTION, 1, 60);
    chaos[QUESTION.len() + 3] = 3;
    check(&[chaos], &[], &[]);
}

#[test]
fn a_chain_without_an_end_has_no_addresses() {
    let to = |owner: &str, target: &str| record(&made::name(owner), CNAME, 9, &made::name(target));
    let address = record(QUESTION, A, 60, &[192, 0, 2, 1]);
    check(
        &[to(NAME, "a"), to("a", "b"), to("b", "a"), address.clone()],
        &["a", "b"],
        &[],
    );
    check(&[to(NAME, NAME), address], &[NAME], &[]);
    let links: Vec<_> = (0..40)
        .map(|number| to(&format!("n{number}"), &format!("n{}", number + 1)))
        .chain([to(NAME, "n0")])
        .collect();
    let expected: Vec<_> = (0..16).map(|number| format!("n{number}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check(&links, &expected, &[]);
}

#[test]
fn a_binding_gives_its_hints_and_public_names() {
    let configuration = [
        &[0xfe, 0x0d, 0, 32, 7, 0, 0x20, 0, 4, 1, 2, 3, 4, 0, 4, 0, 1][..],
        &[0, 1, 64, 13],
        b"front.example",
        &[0, 0],
    ]
    .concat();
    let list = [&[0, configuration.len() as u8][..], &configuration].concat();
    let data = binding(&[
        (1, b"\x02h2".to_vec()),
        (4, vec![192, 0, 2, 1, 192, 0, 2, 2]),
        (5, list),
        (6, text_bytes("2001:db8::1")),
        (65_400, vec![1, 2, 3]),
    ]);
    let found = answer(&Made::answer(
        7,
        NAME,
        HTTPS,
        &[record(QUESTION, HTTPS, 30, &data)],
    ));
    assert_eq!(found.question.kind, HTTPS);
    let expected = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|at| (text(at), 30));
    assert_eq!(found.addresses, expected);
    assert_eq!(found.public_names, ["front.example"]);
}

fn text_bytes(address: &str) -> Vec<u8> {
    match text(address) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[test]
fn of_a_truncated_answer_nothing_is_taken() {
    let record = record(QUESTION, A, 60, &[192, 0, 2, 1]);
    let made = Made {
        flags: 0x8380,
        ..Made::answer(7, NAME, A, &[record.clone(), record])
    };
    let found = answer(&made);
    assert!(found.truncated);
    assert_eq!(found.addresses, []);
    let bytes = made.bytes();
    assert_eq!(
        message(&bytes[..bytes.len() - 5]),
        Some(Message::Answer(found))
    );
}

#[test]
fn a_refusal_has_its_code() {
    let made = Made {
        flags: 0x8183,
        ..Made::answer(7, NAME, A, &[])
    };
    assert_eq!(answer(&made).code, 3);
}

#[test]
fn what_the_library_does_not_know_costs_no_answer() {
    // A type and a class that nobody knows, and a TXT and a CNAME that say too much of their length.
    let unknown = record(QUESTION, 65_281, 9, &[1, 2, 3]);
    let mut strange = record(QUESTION, A, 9, &[192, 0, 2, 9]);
    strange[QUESTION.len() + 3] = 77;
    let words = record(QUESTION, 16, 9, &[9, b'x']);
    let alias = record(QUESTION, CNAME, 9, &[9, b'x']);
    let address = record(QUESTION, A, 60, &[192, 0, 2, 1]);
    let made = Made {
        flags: 0x81c0,
        // TSIG, of class ANY, and garbage.
        additional: vec![vec![0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 1, 9], vec![9; 7]],
        ..Made::answer(7, NAME, A, &[unknown, strange, words, alias, address])
    };
    assert_eq!(answer(&made).addresses, [(text("192.0.2.1"), 60)]);
}

#[test]
fn what_is_no_question_for_the_internet_is_refused() {
    let refused = |made: &Made| assert_eq!(message(&made.bytes()), None, "{made:?}");
    let sound = Made::query(1, NAME, A);
    refused(&Made {
        flags: 0x2800,
        ..sound.clone()
    });
    refused(&Made {
        questions: Vec::new(),
        ..sound.clone()
    });
    refused(&Made {
        questions: vec![question(NAME, A); 2],
        ..sound.clone()
    });
    let mut chaos = sound.clone();
    let end = chaos.questions[0].len();
    chaos.questions[0][end - 1] = 3;
    refused(&chaos);
    // That asks for an answer to this host alone.
    let mut unicast = sound.bytes();
    let end = unicast.len();
    unicast[end - 2] = 0x80;
    assert!(message(&unicast).is_some());
    // A pointer to itself, and one forward.
    for pointer in [12, 20] {
        let mut looped = sound.clone();
        looped.questions = vec![vec![0xc0, pointer, 0, 1, 0, 1]];
        refused(&looped);
    }
}

#[test]
fn an_announcement_names_who_has_addresses() {
    let printer = made::name("Printer.local");
    let mut unique = record(&printer, A, 120, &[192, 0, 2, 1]);
    // The upper bit of its class says that there is no other.
    unique[printer.len() + 2] = 0x80;
    let other = record(&made::name("other.local"), AAAA, 9, &text_bytes("fe80::1"));
    let made = Made {
        flags: 0x8400,
        answers: vec![unique, record(&printer, A, 0, &[192, 0, 2, 2])],
        additional: vec![other],
        ..Made::default()
    };
    let expected = [
        ("printer.local".to_owned(), text("192.0.2.1"), 120),
        ("other.local".to_owned(), text("fe80::1"), 9),
    ];
    assert_eq!(announcements(&made.bytes()), expected);
    assert_eq!(message(&made.bytes()), None);
    let strange = Made {
        additional: vec![vec![9; 7]],
        ..made.clone()
    };
    assert_eq!(announcements(&strange.bytes()), expected[..1]);
    let query = Made { flags: 0, ..made };
    assert_eq!(announcements(&query.bytes()), []);
}

#[test]
fn messages_of_a_stream_are_found_as_they_become_complete() {
    let message = Made::query(1, NAME, A).bytes();
    let framed = made_in_stream(&message);
    let stream = [&framed[..], &[0, 0], &framed, &framed[..5]].concat();
    for end in 0..=stream.len() {
        let mut found = Vec::new();
        let taken = in_stream(&stream[..end], |message| found.push(message.len()));
        let whole = found.iter().map(|length| 2 + length).sum::<usize>();
        assert_eq!(taken, whole);
        assert!(end - taken < framed.len());
    }
    let mut found = Vec::new();
    in_stream(&stream, |message| found.push(message.to_vec()));
    assert_eq!(found, [message.clone(), Vec::new(), message]);
}

fn made_in_stream(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// An answer with a chain, addresses and a binding.
fn rich() -> Vec<u8> {
    let one = made::name("one.example");
    let data = binding(&[(4, vec![192, 0, 2, 9])]);
    let answers = [
        record(QUESTION, CNAME, 40, &one),
        record(&one, A, 30, &[192, 0, 2, 1]),
        record(&[0xc0, 33 + 12], AAAA, 20, &text_bytes("2001:db8::1")),
        record(&one, HTTPS, 20, &data),
    ];
    Made::answer(7, NAME, A, &answers).bytes()
}

#[test]
fn a_message_that_is_cut_off_is_none() {
    let whole = rich();
    assert_eq!(
        message(&whole).map(|message| match message {
            Message::Answer(answer) => (answer.chain, answer.addresses.len()),
            Message::Query(_) => (Vec::new(), 0),
        }),
        Some((vec!["one.example".to_owned()], 3))
    );
    for end in 0..whole.len() {
        assert_eq!(message(&whole[..end]), None, "{end}");
        assert_eq!(announcements(&whole[..end]), [], "{end}");
    }
}

fn is_bounded(bytes: &[u8]) {
    if let Some(Message::Answer(answer)) = message(bytes) {
        assert!(answer.chain.len() <= LONGEST_CHAIN && answer.addresses.len() <= MOST_ADDRESSES);
        assert!(answer.public_names.len() <= MOST_PUBLIC_NAMES);
    }
    assert!(announcements(bytes).len() <= MOST_ADDRESSES);
    let taken = in_stream(bytes, |_| {});
    assert!(taken <= bytes.len());
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300), flags in prop::sample::select(vec![0x0100_u16, 0x8180])) {
        is_bounded(&bytes);
        let header = [&[0, 7][..], &flags.to_be_bytes(), &[0, 1, 0, 2, 0, 0, 0, 0]].concat();
        is_bounded(&[header, bytes].concat());
    }

    #[test]
    fn any_damage_has_an_answer(damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = rich();
        for (at, value) in damages {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        is_bounded(&bytes);
    }

    #[test]
    fn the_name_that_was_asked_for_is_the_name(text in "[a-z0-9_-]{1,63}(\\.[a-z0-9_-]{1,20}){0,8}", kind: u16, id: u16) {
        let expected = Question { id, name: text.clone(), kind };
        prop_assert_eq!(message(&Made::query(id, &text, kind).bytes()), Some(Message::Query(expected)));
    }
}
