//! Feeds any bytes as a message of DNS, and as a stream of them: what is found is bounded and printable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::name::dns::{Message, Question, announcements, in_stream, message};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut found = 0;
    let taken = in_stream(bytes, |message| {
        found += 2 + message.len();
        check(message);
    });
    assert_eq!(taken, found);
});

fn check(bytes: &[u8]) {
    match message(bytes) {
        Some(Message::Query(question)) => is_printable(&question.name),
        Some(Message::Answer(answer)) => {
            let Question { name, .. } = &answer.question;
            answer
                .chain
                .iter()
                .chain([name])
                .for_each(|name| is_printable(name));
            assert!(answer.chain.len() <= 16 && answer.addresses.len() <= 64);
            assert!(!answer.truncated || answer.addresses.is_empty());
            assert!(answer.public_names.len() <= 8);
        }
        None => {}
    }
    let announced = announcements(bytes);
    assert!(announced.len() <= 64);
    for (name, _, seconds) in announced {
        is_printable(&name);
        assert!(seconds > 0);
    }
}

fn is_printable(name: &str) {
    assert!(
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()),
        "{name:?}"
    );
    assert!(!name.contains(|letter: char| letter.is_ascii_uppercase()));
}
