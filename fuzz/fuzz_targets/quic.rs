//! Feeds any bytes as the datagrams of a QUIC client, and as the frames of its Initials, under keys that everybody has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::name::{
    hello::{Hello, message},
    host::host,
    progress::Progress,
    quic::{Initials, is_initial},
};

#[path = "../../tracer/src/name/quic/made.rs"]
#[allow(dead_code, reason = "tests take the rest")]
mod made;

fuzz_target!(|bytes: &[u8]| {
    let mut initials = Initials::default();
    // The size of the packets that the RFCs have, which are in the corpus.
    for datagram in bytes.chunks(1_200) {
        let _ = is_initial(datagram);
        is_sound(initials.datagram(datagram));
    }
    let mut initials = Initials::default();
    for (number, frames) in (0..).zip(bytes.chunks(200)) {
        if frames.len() < 4 {
            break;
        }
        let initial = made::Initial {
            number,
            number_length: 2,
            ..made::Initial::to(b"12345678")
        };
        let datagram = initial.packet(frames);
        assert!(is_initial(&datagram));
        is_sound(initials.datagram(&datagram));
    }
    // The handshake in one piece is what it is without QUIC.
    if !bytes.is_empty() && bytes.len() < 16_000 {
        let datagram = made::Initial::to(b"12345678").packet(&made::crypto(0, bytes));
        let expected = message(bytes);
        assert_eq!(Initials::default().datagram(&datagram), expected);
    }
});

fn is_sound(progress: Progress<Hello>) {
    if let Progress::Is(Hello {
        name: Some(name), ..
    }) = progress
    {
        assert_eq!(host(name.as_bytes()).as_deref(), Some(&*name));
    }
}
