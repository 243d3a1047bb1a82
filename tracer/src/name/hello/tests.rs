//! Is a hello read as it was made, whole and never otherwise, and as another parser reads it?

use proptest::prelude::*;
use tls_parser::{
    SNIType, TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_client_hello_extensions,
    parse_tls_plaintext,
};

use super::{
    made::{Made, counted, records as in_records},
    *,
};

const NAME: &str = "www.example.com";

fn check(made: &Made, expected: &Hello) {
    let expected = Progress::Is(expected.clone());
    let bytes = made.message();
    assert_eq!(message(&bytes), expected);
    assert_eq!(records(&in_records(&bytes, 16_384)), expected);
}

fn named(name: Option<&str>) -> Hello {
    Hello {
        name: name.map(Into::into),
        ..Hello::default()
    }
}

#[test]
fn a_hello_has_name_protocols_and_whether_more_is_encrypted() {
    check(&Made::to(NAME), &named(Some(NAME)));
    check(&Made::default(), &named(None));
    let made = Made {
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec(), vec![0xff; 255]],
        ech: true,
        padding: 1_500,
        ..Made::to("WWW.Example.Com.")
    };
    let expected = Hello {
        name: Some(NAME.into()),
        alpn: vec![
            "h2".to_owned(),
            "http/1.1".to_owned(),
            "\u{fffd}".repeat(255),
        ],
        ech: true,
    };
    check(&made, &expected);
}

#[test]
fn what_is_no_host_name_is_no_name() {
    for name in ["192.0.2.1", "::1", "", "a..b", "bücher.example", "a b"] {
        check(&Made::to(name), &named(None));
    }
    check(&Made::to(&["x."; 128].concat()), &named(None));
}

#[test]
fn of_many_protocols_the_first_are_kept() {
    let made = Made {
        alpn: (0..20).map(|number| vec![b'a' + number]).collect(),
        ..Made::default()
    };
    let Progress::Is(hello) = message(&made.message()) else {
        panic!("no hello");
    };
    assert_eq!(hello.alpn, ["a", "b", "c", "d", "e", "f", "g", "h"]);
}

#[test]
fn a_hello_without_extensions_has_no_name() {
    let body = [
        &[3, 1][..],
        &[0; 32],
        &[0],
        &counted(2, &[0, 5]),
        &counted(1, &[0]),
    ]
    .concat();
    let bytes = [&[1][..], &counted(3, &body)].concat();
    assert_eq!(message(&bytes), Progress::Is(named(None)));
}

/// At every position: what is before it is not a hello yet; what is behind it changes nothing.
#[test]
fn a_hello_is_one_with_its_last_byte_and_not_before() {
    let whole = Made::to(NAME).message();
    let expected = Progress::Is(named(Some(NAME)));
    for end in 0..whole.len() {
        assert_eq!(message(&whole[..end]), Progress::Incomplete, "{end}");
    }
    let more = [&whole[..], b"more"].concat();
    assert_eq!(message(&more), expected);
    for size in 1..=whole.len() {
        let split = in_records(&whole, size);
        for end in 0..split.len() {
            let progress = records(&split[..end]);
            assert_eq!(progress, Progress::Incomplete, "{size}, {end}");
        }
        assert_eq!(records(&split), expected, "{size}");
        assert_eq!(records(&[&split[..], b"more"].concat()), expected, "{size}");
    }
}

#[test]
fn what_is_no_hello_is_refused_at_its_first_strange_byte() {
    let check = |bytes: &[u8]| {
        assert_eq!(records(bytes), Progress::Not, "{bytes:02x?}");
        let before = &bytes[..bytes.len() - 1];
        assert_eq!(records(before), Progress::Incomplete, "{bytes:02x?}");
    };
    // Not a handshake, an old SSL, no payload, more than a record carries.
    check(b"G");
    check(&[22, 2]);
    check(&[22, 3, 1, 0, 0]);
    check(&[22, 3, 1, 0x40, 1]);
    // A ServerHello, a message too long, a version that is none.
    check(&[22, 3, 1, 2, 0, 2]);
    check(&[22, 3, 1, 0x40, 0, 1, 1, 0, 0]);
    check(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 2]);
    // Something else between two records of one message.
    check(&[22, 3, 1, 0, 1, 1, 20]);
}

#[test]
fn a_hello_that_contradicts_itself_is_none() {
    let sound = Made::to(NAME).message();
    let check = |at: usize, value: u8| {
        let mut bytes = sound.clone();
        bytes[at] = value;
        assert_eq!(message(&bytes), Progress::Not, "{at}");
    };
    // The lengths of the session id, the suites (odd), the compressions and the extensions.
    let suites = 4 + 2 + 32 + 1 + 32;
    check(4 + 2 + 32, 33);
    check(suites + 1, 7);
    check(suites + 2 + 8, 0);
    check(suites + 2 + 8 + 3, sound[suites + 2 + 8 + 3] - 1);
    check(suites + 2 + 8 + 3, sound[suites + 2 + 8 + 3] + 1);
}

#[test]
fn a_hello_with_two_names_is_none() {
    let with_another = |kind| {
        let extension = [&[0, kind][..], &counted(2, &counted(2, &[0, 0, 1, b'x']))].concat();
        let mut bytes = [&Made::to(NAME).message()[..], &extension].concat();
        // The lengths of the message and of the extensions, which stand behind suites and compressions.
        for at in [3, 4 + 2 + 32 + 33 + 10 + 2 + 1] {
            bytes[at] += extension.len() as u8;
        }
        message(&bytes)
    };
    assert_eq!(with_another(0), Progress::Not);
    assert_eq!(with_another(99), Progress::Is(named(Some(NAME))));
}

#[test]
fn a_hello_that_is_too_long_is_none() {
    let of_size = |size: usize| {
        let least = Made {
            padding: 1,
            ..Made::to(NAME)
        };
        let made = Made {
            padding: 1 + size - least.message().len(),
            ..least
        };
        made.message()
    };
    let expected = Progress::Is(named(Some(NAME)));
    assert_eq!(message(&of_size(LONGEST)), expected);
    assert_eq!(message(&of_size(LONGEST + 1)), Progress::Not);
    // The message alone is short enough; its records are not.
    assert_eq!(records(&in_records(&of_size(16_384), 321)), Progress::Not);
    assert_eq!(records(&in_records(&of_size(16_384), 322)), expected);
}

/// Name and protocols, as they stand in a hello.
type Raw = (Option<Vec<u8>>, Vec<Vec<u8>>);

/// What tls-parser finds in a record; `None` where it finds no hello.
fn by_another(bytes: &[u8]) -> Option<Raw> {
    let (_, record) = parse_tls_plaintext(bytes).ok()?;
    let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = record.msg.first()? else {
        return None;
    };
    let extensions = hello.ext.map_or(Some(Vec::new()), |bytes| {
        let (rest, extensions) = parse_tls_client_hello_extensions(bytes).ok()?;
        rest.is_empty().then_some(extensions)
    })?;
    let name = extensions.iter().find_map(|extension| match extension {
        TlsExtension::SNI(names) => names
            .iter()
            .find(|(kind, _)| *kind == SNIType::HostName)
            .map(|(_, name)| name.to_vec()),
        _ => None,
    });
    let protocols = extensions.iter().find_map(|extension| match extension {
        TlsExtension::ALPN(names) => Some(names.iter().map(|name| name.to_vec()).collect()),
        _ => None,
    });
    Some((name, protocols.unwrap_or_default()))
}

/// Where both find a hello, it is the same one. tls-parser also refuses what we do not read, and takes what is no hello in full.
fn same_as_another(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (Progress::Is(hello), Some((name, protocols))) = (records(bytes), by_another(bytes)) else {
        return Ok(());
    };
    let expected = name.and_then(|name| host(&name));
    prop_assert_eq!(hello.name.as_deref(), expected.as_deref());
    let protocols: Vec<_> = protocols
        .iter()
        .take(MOST_PROTOCOLS)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    prop_assert_eq!(hello.alpn, protocols);
    Ok(())
}

prop_compose! {
    fn any_made()(
        name in proptest::option::of("[a-zA-Z0-9._-]{0,80}"),
        alpn in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..12), 0..12),
        ech: bool,
        session in 0_usize..=32,
        padding in 0_usize..3_000,
    ) -> Made {
        Made { name: name.map(String::into_bytes), alpn, ech, session, padding }
    }
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = (message(&bytes), records(&bytes));
        let framed = [&[22, 3, 1][..], &counted(2, &bytes)].concat();
        let _ = records(&framed);
    }

    #[test]
    fn what_was_made_is_read_by_both_parsers_alike(made in any_made()) {
        let bytes = in_records(&made.message(), 16_384);
        let Progress::Is(hello) = records(&bytes) else {
            return Err(TestCaseError::fail("no hello"));
        };
        prop_assert_eq!(hello.ech, made.ech);
        let expected = made.name.as_deref().and_then(host);
        prop_assert_eq!(hello.name.as_deref(), expected.as_deref());
        prop_assert!(by_another(&bytes).is_some());
        same_as_another(&bytes)?;
    }

    #[test]
    fn any_way_to_split_it_gives_the_same_hello(made in any_made(), size in 1_usize..4_000, end: prop::sample::Index) {
        let whole = made.message();
        let split = in_records(&whole, size);
        let expected = if split.len() > LONGEST { Progress::Not } else { message(&whole) };
        prop_assert_eq!(records(&split), expected);
        let cut = records(&split[..end.index(split.len())]);
        prop_assert!(matches!(cut, Progress::Incomplete | Progress::Not), "{:?}", cut);
    }

    #[test]
    fn what_was_damaged_is_never_read_otherwise_than_by_another_parser(
        made in any_made(), damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = in_records(&made.message(), 16_384);
        for (at, value) in damages {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        same_as_another(&bytes)?;
    }
}
