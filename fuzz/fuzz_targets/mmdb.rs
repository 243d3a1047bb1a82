//! Feeds any bytes as a database of addresses: it is read to its end, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::enrich::mmdb::{Kind, whole};

fuzz_target!(|bytes: &[u8]| {
    for kind in [Kind::Network, Kind::Country] {
        if let Ok((summary, _)) = whole(bytes, kind) {
            assert!(summary.nodes as usize <= bytes.len());
        }
    }
});
