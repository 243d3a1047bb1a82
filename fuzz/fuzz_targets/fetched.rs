//! Feeds any bytes as what lies beside a table that was fetched: its lock, the note of a part, its published sum. What is read
//! is what is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::command::data::lock::Lock;
use tracer::command::data::update::part::Note;
use tracer::command::data::update::published::sum_in;

fuzz_target!(|bytes: &[u8]| {
    match Lock::parse(bytes) {
        Ok(lock) => assert_eq!(Lock::parse(lock.text().as_bytes()), Ok(lock)),
        Err(why) => assert!(!why.is_empty(), "no reason"),
    }
    if let Some(note) = Note::parse(bytes) {
        assert_eq!(Note::parse(note.text().as_bytes()), Some(note));
    }
    if let Some(sum) = sum_in(bytes, "origin-asn.mmdb") {
        assert_eq!(sum_in(sum.to_string().as_bytes(), "any"), Some(sum));
    }
});
