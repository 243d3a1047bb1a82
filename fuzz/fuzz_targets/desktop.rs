//! Feeds any text as the stem of a systemd unit: a desktop app has an id, which is not longer than the stem.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::desktop::{of_scope, of_service};

fuzz_target!(|stem: &str| {
    for id in [of_scope(stem), of_service(stem)].into_iter().flatten() {
        assert!(!id.is_empty(), "an app without an id");
        assert!(id.len() < stem.len(), "more was read than is there");
    }
});
