//! Is a hello found in any order of Initials, under the keys that they have, and never otherwise?

use proptest::prelude::*;

use super::{
    made::{Initial, crypto, padded},
    *,
};
use crate::name::hello::made::Made;

/// The client's Initials of RFC 9001 appendix A.2 and of RFC 9369 appendix A.2.
const ONE: &[u8] = include_bytes!("../../../../fuzz/corpus/quic/rfc9001");
const TWO: &[u8] = include_bytes!("../../../../fuzz/corpus/quic/rfc9369");

const NAME: &str = "www.example.com";
const FIRST: &[u8] = &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const SECOND: &[u8] = &[0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5];
const THIRD: &[u8] = &[1, 2, 3, 4];

fn hello() -> Vec<u8> {
    Made::to(NAME).message()
}

/// The name in the last of these datagrams; none before it may have one.
fn check(datagrams: &[Vec<u8>], expected: Option<&str>) {
    let mut initials = Initials::default();
    let mut progress = Progress::Incomplete;
    for datagram in datagrams {
        assert_eq!(progress, Progress::Incomplete);
        progress = initials.datagram(datagram);
    }
    match (progress, expected) {
        (Progress::Is(hello), Some(_)) => assert_eq!(hello.name.as_deref(), expected),
        (progress, None) => assert_eq!(progress, Progress::Incomplete),
        (progress, _) => panic!("{progress:?} instead of {expected:?}"),
    }
}

/// An Initial in a datagram of its own.
fn datagram(initial: &Initial<'_>, frames: Vec<u8>) -> Vec<u8> {
    initial.packet(&padded(frames))
}

#[test]
fn the_packets_of_the_rfcs_are_read() {
    for vector in [ONE, TWO] {
        assert!(is_initial(vector));
        let Progress::Is(hello) = Initials::default().datagram(vector) else {
            panic!("no hello");
        };
        assert_eq!(hello.name.as_deref(), Some("example.com"));
        assert_eq!(hello.alpn, ["alpn"]);
        assert!(!hello.ech);
    }
}

#[test]
fn what_tests_make_is_what_the_rfcs_have() {
    for (is_two, vector, header) in [
        (false, ONE, "c300000001088394c8f03e5157080000449e00000002"),
        (true, TWO, "d36b3343cf088394c8f03e5157080000449e00000002"),
    ] {
        let initial = Initial {
            is_two,
            number: 2,
            number_length: 4,
            ..Initial::to(FIRST)
        };
        let header: Vec<u8> = (0..header.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&header[at..at + 2], 16).expect("digits"))
            .collect();
        let keys = Keys::of_client(
            if is_two {
                header::Version::Two
            } else {
                header::Version::One
            },
            FIRST,
        );
        let (packet, _) = header::first(vector).expect("a packet");
        let (number, frames) = keys.open(&packet, 0).expect("its keys");
        assert_eq!(number, 2);
        assert_eq!(initial.protected(&header, &frames), vector);
    }
}

#[test]
fn a_hello_in_pieces_is_one_in_any_order() {
    let hello = hello();
    let (a, b) = hello.split_at(50);
    let piece = |number, offset, bytes: &[u8]| {
        let initial = Initial {
            number,
            ..Initial::to(FIRST)
        };
        datagram(&initial, [&[1, 0, 0][..], &crypto(offset, bytes)].concat())
    };
    check(&[piece(0, 0, a), piece(1, 50, b)], Some(NAME));
    check(&[piece(1, 50, b), piece(0, 0, a)], Some(NAME));
    check(
        &[piece(7, 50, b), piece(9, 50, b), piece(8, 0, a)],
        Some(NAME),
    );
    check(&[piece(0, 0, a), piece(1, 51, &b[1..])], None);
    let in_one = [crypto(50, b), vec![1, 0], crypto(0, a)].concat();
    check(&[datagram(&Initial::to(FIRST), in_one)], Some(NAME));
}

#[test]
fn a_number_may_have_any_length() {
    for number_length in 1..=4 {
        let initial = Initial {
            number: 0xff >> number_length,
            number_length,
            ..Initial::to(FIRST)
        };
        check(&[datagram(&initial, crypto(0, &hello()))], Some(NAME));
    }
}

#[test]
fn numbers_are_told_from_their_last_byte() {
    let hello = hello();
    let (a, b) = hello.split_at(50);
    let piece = |number, number_length, offset, bytes: &[u8]| {
        let initial = Initial {
            number,
            number_length,
            ..Initial::to(FIRST)
        };
        datagram(&initial, crypto(offset, bytes))
    };
    check(&[piece(250, 2, 0, a), piece(260, 1, 50, b)], Some(NAME));
    check(
        &[piece(0x1234_5678, 4, 0, a), piece(0x1234_5679, 1, 50, b)],
        Some(NAME),
    );
}

#[test]
fn keys_stay_when_the_server_gives_another_id() {
    let hello = hello();
    let (a, b) = hello.split_at(50);
    let first = datagram(&Initial::to(FIRST), crypto(0, a));
    let later = Initial {
        keys_of: FIRST,
        number: 1,
        ..Initial::to(SECOND)
    };
    check(
        &[first.clone(), datagram(&later, crypto(50, b))],
        Some(NAME),
    );
    // Version 1 led to version 2, of which the keys derive from the same id.
    let later = Initial {
        is_two: true,
        ..later
    };
    check(&[first, datagram(&later, crypto(50, b))], Some(NAME));
    // Without the first one nobody has the keys.
    check(&[datagram(&later, crypto(50, b))], None);
}

#[test]
fn a_retry_begins_anew_under_other_keys() {
    let hello = hello();
    let (a, b) = hello.split_at(50);
    let first = datagram(&Initial::to(FIRST), crypto(0, a));
    let again = Initial {
        token: &[9; 100],
        number: 1,
        ..Initial::to(SECOND)
    };
    let later = Initial {
        keys_of: SECOND,
        number: 2,
        ..Initial::to(THIRD)
    };
    let datagrams = [
        first,
        datagram(&again, crypto(0, a)),
        datagram(&later, crypto(50, b)),
    ];
    check(&datagrams, Some(NAME));
}

#[test]
fn two_connections_of_one_socket_are_not_mixed() {
    let (one, other) = (hello(), Made::to("other.example").message());
    let piece = |id, offset, bytes: &[u8]| datagram(&Initial::to(id), crypto(offset, bytes));
    let mut initials = Initials::default();
    let mut take = |datagram: Vec<u8>| match initials.datagram(&datagram) {
        Progress::Is(hello) => hello.name.as_deref().map(str::to_owned),
        progress => {
            assert_eq!(progress, Progress::Incomplete);
            None
        }
    };
    assert_eq!(take(piece(FIRST, 0, &one[..50])), None);
    assert_eq!(take(piece(SECOND, 50, &other[50..])), None);
    assert_eq!(
        take(piece(SECOND, 0, &other[..50])).as_deref(),
        Some("other.example")
    );
    assert_eq!(take(piece(FIRST, 50, &one[50..])).as_deref(), Some(NAME));
    // Sent again, it is the same again.
    assert_eq!(take(piece(FIRST, 0, &one[..50])).as_deref(), Some(NAME));
}

#[test]
fn packets_share_a_datagram() {
    let hello = hello();
    let (a, b) = hello.split_at(50);
    let zero_rtt = [&[0xd0, 0, 0, 0, 1, 8][..], FIRST, &[0, 4, 1, 2, 3, 4]].concat();
    let first = Initial::to(FIRST).packet(&crypto(0, a));
    let second = Initial {
        number: 1,
        ..Initial::to(FIRST)
    };
    let second = second.packet(&crypto(50, b));
    let short = [0x40, 1, 2, 3];
    let whole = [&zero_rtt[..], &first, &zero_rtt, &second, &short].concat();
    check(std::slice::from_ref(&whole), Some(NAME));
    check(&[[&first[..], &short, &second].concat()], None);
    check(&[whole[..whole.len() - 5].to_vec()], None);
}

#[test]
fn a_datagram_that_is_cut_off_has_no_hello() {
    for vector in [ONE, TWO] {
        for end in 0..vector.len() {
            let progress = Initials::default().datagram(&vector[..end]);
            assert_eq!(progress, Progress::Not, "{end}");
        }
        let more = [vector, b"more"].concat();
        assert_eq!(
            Initials::default().datagram(&more),
            Initials::default().datagram(vector)
        );
    }
}

#[test]
fn what_was_damaged_is_not_read() {
    let sound = datagram(&Initial::to(FIRST), crypto(0, &hello()));
    for at in (0..sound.len()).step_by(7) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x11;
        let progress = Initials::default().datagram(&damaged);
        assert!(!matches!(progress, Progress::Is(_)), "{at}: {progress:?}");
    }
}

#[test]
fn what_cannot_become_a_hello_is_refused() {
    let refused = |datagram: &[u8]| {
        assert_eq!(Initials::default().datagram(datagram), Progress::Not);
    };
    refused(b"");
    refused(&[0x40; 1_200]);
    // A request for DNS, RTP, and another version in too short a datagram.
    refused(&[0x8a, 0x11, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    refused(&[0x80, 0x60, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]);
    refused(&[0xc0, 0xfa, 0xce, 0xb0, 0x02, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
    // Another message of the handshake.
    refused(&datagram(&Initial::to(FIRST), crypto(0, &[2, 0, 0, 40, 3])));
}

#[test]
fn another_version_may_lead_to_one_that_is_read() {
    let mut other = datagram(&Initial::to(FIRST), crypto(0, &hello()));
    other[1..5].copy_from_slice(&[0x1a, 0x2a, 0x3a, 0x4a]);
    assert!(!is_initial(&other));
    let read = datagram(&Initial::to(SECOND), crypto(0, &hello()));
    check(&[other, read], Some(NAME));
}

#[test]
fn a_hello_that_does_not_come_is_given_up() {
    let other = datagram(
        &Initial {
            keys_of: FIRST,
            ..Initial::to(SECOND)
        },
        vec![1],
    );
    let mut initials = Initials::default();
    for _ in 1..MOST_DATAGRAMS {
        assert_eq!(initials.datagram(&other), Progress::Incomplete);
    }
    assert_eq!(initials.datagram(&other), Progress::Not);
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(
        start in prop::sample::select(vec![&ONE[..26], &TWO[..26], &[]]),
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..4)
    ) {
        let mut initials = Initials::default();
        for datagram in datagrams {
            let datagram = [start, &datagram].concat();
            let _ = (initials.datagram(&datagram), is_initial(&datagram));
        }
    }

    #[test]
    fn any_frames_have_an_answer(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 4..300), 1..6)) {
        let mut initials = Initials::default();
        for frames in frames {
            let _ = initials.datagram(&Initial::to(FIRST).packet(&frames));
        }
    }

    #[test]
    fn any_pieces_in_any_order_give_the_hello_when_the_last_has_come(
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30), seed: u64, numbers: u32, padding in 0_usize..3_000
    ) {
        let hello = Made { padding, ..Made::to(NAME) }.message();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(hello.len())).collect();
        cuts.extend([0, hello.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let mut pieces: Vec<_> = cuts.windows(2).map(|pair| (pair[0], &hello[pair[0]..pair[1]])).collect();
        let mut random = seed;
        for at in (1..pieces.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            pieces.swap(at, (random >> 33) as usize % (at + 1));
        }
        let mut initials = Initials::default();
        for (at, (offset, bytes)) in pieces.iter().enumerate() {
            let initial = Initial { number: numbers.wrapping_add(at as u32), number_length: 4, ..Initial::to(FIRST) };
            let progress = initials.datagram(&datagram(&initial, crypto(*offset, bytes)));
            if at + 1 == pieces.len() {
                let Progress::Is(hello) = progress else {
                    return Err(TestCaseError::fail("no hello"));
                };
                prop_assert_eq!(hello.name.as_deref(), Some(NAME));
            } else {
                prop_assert_eq!(progress, Progress::Incomplete);
            }
        }
    }
}
