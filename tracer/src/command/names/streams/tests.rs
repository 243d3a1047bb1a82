//! Are names found in streams however their segments come?

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::name::{
    dns::made::{A, Made as Message},
    hello::made::{Made, records},
};

const NAME: &str = "www.example.com";
const START_AT: u32 = u32::MAX - 100;

fn flow() -> Flow {
    Flow {
        source: "192.0.2.1:40000".parse().expect("an address"),
        destination: "192.0.2.2:443".parse().expect("an address"),
    }
}

fn segment(offset: usize, payload: &[u8]) -> Segment<'_> {
    Segment {
        source_port: 40_000,
        destination_port: 443,
        sequence: START_AT.wrapping_add(offset as u32).wrapping_add(1),
        is_syn: false,
        is_ack: true,
        payload,
    }
}

fn syn() -> Segment<'static> {
    Segment {
        sequence: START_AT,
        is_syn: true,
        is_ack: false,
        ..segment(0, &[])
    }
}

fn hello() -> Vec<u8> {
    records(&Made::to(NAME).message(), 16_384)
}

/// Names and offsets of what is found.
fn names(found: Vec<What>) -> Vec<(Option<String>, usize)> {
    let names = found.into_iter().map(|what| match what {
        What::Sni(hello, offset) => (hello.name.as_deref().map(str::to_owned), offset),
        other => panic!("{other:?} is no hello"),
    });
    names.collect()
}

/// Takes these segments, of which the last has to be that which makes the hello complete, at the offset.
fn check(segments: &[Segment<'_>], expected: Option<usize>) {
    let mut streams = Streams::new();
    let mut found = Vec::new();
    for segment in segments {
        assert!(found.is_empty());
        streams.take(flow(), segment, &mut found);
    }
    let expected = expected.map(|offset| (Some(NAME.to_owned()), offset));
    assert_eq!(names(found), Vec::from_iter(expected));
}

#[test]
fn a_hello_is_found_in_segments_of_any_order() {
    let hello = hello();
    let (a, b) = hello.split_at(40);
    check(&[syn(), segment(0, &hello)], Some(0));
    check(&[syn(), segment(0, a), segment(40, b)], Some(0));
    check(&[syn(), segment(40, b), segment(0, a)], Some(0));
    check(
        &[syn(), segment(0, a), segment(0, a), segment(0, &hello)],
        Some(0),
    );
    check(&[syn(), segment(0, a), segment(30, &hello[30..])], Some(0));
    check(&[syn(), segment(0, a), segment(41, &b[1..])], None);
    // Without a SYN the stream begins with what is seen first.
    check(&[segment(5, a), segment(45, b)], Some(0));
    // Data in the SYN.
    let with_data = Segment {
        payload: a,
        ..syn()
    };
    check(&[with_data, segment(40, b)], Some(0));
}

#[test]
fn a_hello_of_one_byte_a_segment_is_found_backwards_too() {
    let hello = hello();
    let mut segments: Vec<_> = (0..hello.len())
        .map(|at| segment(at, &hello[at..=at]))
        .collect();
    segments.insert(0, syn());
    check(&segments, Some(0));
    segments[1..].reverse();
    check(&segments, Some(0));
}

#[test]
fn a_hello_behind_other_words_is_found_where_a_segment_begins() {
    let hello = hello();
    let connect = b"CONNECT www.example.com:443 HTTP/1.1\r\n\r\n";
    check(&[syn(), segment(0, connect), segment(40, &hello)], Some(40));
    let both = [&connect[..], &hello].concat();
    check(&[syn(), segment(0, &both)], None);
    // What is before it was not captured.
    check(&[syn(), segment(40, &hello)], Some(40));
    check(
        &[syn(), segment(40, &hello[..9]), segment(49, &hello[9..])],
        Some(40),
    );
    check(&[syn(), segment(START - 1, &hello)], Some(START - 1));
    check(&[syn(), segment(START, &hello)], None);
}

#[test]
fn what_a_server_echoes_is_no_hello() {
    let answer = Segment {
        is_ack: true,
        ..syn()
    };
    check(&[answer, segment(0, &hello())], None);
}

#[test]
fn a_stream_has_one_hello_until_its_ports_are_used_again() {
    let hello = hello();
    let mut streams = Streams::new();
    let mut found = Vec::new();
    let again = Segment {
        sequence: 7,
        ..syn()
    };
    let data = Segment {
        sequence: 8,
        ..segment(0, &hello)
    };
    for segment in [
        syn(),
        segment(0, &hello),
        segment(hello.len(), &hello),
        again,
        data,
    ] {
        streams.take(flow(), &segment, &mut found);
    }
    let name = Some(NAME.to_owned());
    assert_eq!(names(found), [(name.clone(), 0), (name, 0)]);
}

#[test]
fn a_stream_without_a_hello_is_let_go() {
    let mut streams = Streams::new();
    let mut found = Vec::new();
    for at in 0..40 {
        streams.take(flow(), &segment(at * 1_000, &[22; 1_000]), &mut found);
    }
    assert!(found.is_empty());
    let stream = streams.table.get(flow()).expect("the stream");
    assert!(matches!(stream.state, State::Over));
}

#[test]
fn only_streams_with_something_begun_are_missed() {
    let mut streams = Streams::new();
    let mut found = Vec::new();
    let hello = hello();
    for port in 0..3 * MOST as u16 {
        let flow = Flow {
            source: SocketAddr::new(flow().source.ip(), port),
            ..flow()
        };
        let payload: &[u8] = match port % 3 {
            0 => &hello,
            1 => &hello[..9],
            _ => b"HTTP",
        };
        streams.take(flow, &segment(0, payload), &mut found);
    }
    assert_eq!(found.len(), MOST);
    // Two thirds had to go, of which a third had begun a hello.
    let expected = 2 * MOST as u64 / 3;
    assert!((expected..=expected + 1).contains(&streams.dropped()));
}

fn of_dns(offset: usize, payload: &[u8]) -> Segment<'_> {
    Segment {
        destination_port: 53,
        ..segment(offset, payload)
    }
}

#[test]
fn messages_of_dns_are_found_one_behind_another() {
    let framed = |id| {
        let message = Message::query(id, NAME, A).bytes();
        [&(message.len() as u16).to_be_bytes()[..], &message].concat()
    };
    let stream: Vec<u8> = (0..2_000).flat_map(framed).collect();
    let mut streams = Streams::new();
    let mut found = Vec::new();
    // In pairs of segments that come in the wrong order.
    let mut segments: Vec<_> = stream.chunks(100).enumerate().collect();
    segments.chunks_mut(2).for_each(<[_]>::reverse);
    streams.take(flow(), &of_dns(0, &[]), &mut found);
    for (at, payload) in segments {
        streams.take(flow(), &of_dns(at * 100, payload), &mut found);
    }
    let ids: Vec<_> = found
        .iter()
        .map(|what| match what {
            What::Query(question) => question.id,
            other => panic!("{other:?} is no query"),
        })
        .collect();
    assert_eq!(ids, (0..2_000).collect::<Vec<_>>());
    assert_eq!((streams.given_up, streams.unread), (0, 0));
}

#[test]
fn a_stream_of_dns_that_cannot_be_read_on_is_counted() {
    let mut streams = Streams::new();
    let mut found = Vec::new();
    for at in 0..40 {
        streams.take(flow(), &of_dns(at * 1_000, &[255; 1_000]), &mut found);
    }
    assert!(found.is_empty());
    assert_eq!(streams.given_up, 1);
}

proptest! {
    #[test]
    fn any_segments_have_an_answer(segments in proptest::collection::vec((any::<u16>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..60)) {
        let mut streams = Streams::new();
        for (at, flags, payload) in segments {
            let segment = Segment {
                is_syn: flags & 7 == 7,
                is_ack: flags & 8 == 0,
                destination_port: if flags & 16 == 0 { 53 } else { 443 },
                ..segment(usize::from(at), &payload)
            };
            streams.take(flow(), &segment, &mut Vec::new());
        }
    }

    #[test]
    fn any_cuts_in_any_order_give_the_name(
        before in 0_usize..3_000, cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12), order in proptest::collection::vec(any::<u32>(), 16), size in 1_usize..600
    ) {
        let hello = records(&Made::to(NAME).message(), size);
        let stream = [&vec![b'x'; before][..], &hello].concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, before, stream.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let mut segments: Vec<_> = cuts.windows(2).zip(order).map(|(pair, order)| (order, pair[0], pair[1])).collect();
        segments.sort_unstable();
        let mut streams = Streams::new();
        let mut found = Vec::new();
        streams.take(flow(), &syn(), &mut found);
        for (_, from, to) in segments {
            streams.take(flow(), &segment(from, &stream[from..to]), &mut found);
        }
        prop_assert_eq!(names(found), [(Some(NAME.to_owned()), before)]);
    }
}
