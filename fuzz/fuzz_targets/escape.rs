//! Feeds any text as a name that systemd escaped: it never grows, and what has no escape stays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::escape::unescape;

fuzz_target!(|name: &str| {
    let plain = unescape(name);
    assert!(plain.len() <= name.len(), "it grew");
    assert_eq!(plain.is_empty(), name.is_empty());
    assert!(
        name.contains(r"\x") || plain == name,
        "it changed without an escape"
    );
});
