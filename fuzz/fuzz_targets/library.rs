//! Feeds any bytes as a C library: where its functions are to be probed lies within the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::kernel::lookups::library::library;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(library) = library(bytes) {
        assert!((1..=16).contains(&library.places.len()), "too many places, or none");
        for place in &library.places {
            assert!(!place.program.is_empty(), "no program for a place");
        }
        assert!(
            library.places.is_sorted_by(|one, next| one < next),
            "a place twice"
        );
    }
});
