//! Feeds any text as the stem of a systemd service: a label it gives is not empty, and not longer than the unit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::service::label;

fuzz_target!(|stem: &str| {
    if let Some(label) = label(stem) {
        assert!(!label.is_empty(), "a service without a label");
        assert!(
            label.len() <= stem.len() + ".service".len(),
            "more was read than is there"
        );
    }
});
