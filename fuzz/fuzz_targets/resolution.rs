//! Feeds any bytes as `/etc/nsswitch.conf` and `/etc/hosts`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::resolution::{is_seen, words};

fuzz_target!(|file: &[u8]| {
    let words = words(file);
    assert!(words.len() <= file.len(), "more words than bytes");
    for word in &words {
        let is_one = !word.contains(char::is_whitespace) && !word.contains('#');
        assert!(is_one, "{word:?} is no word");
    }
    is_seen(file);
    let line = [b"hosts: resolve [", file].concat();
    assert!(!is_seen(&line), "a service that is not seen is");
});
