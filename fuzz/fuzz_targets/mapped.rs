//! Feeds any text as a line of `/proc/PID/maps`: a library that is found in it has a range that can be no path to elsewhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::kernel::lookups::mapped::mapped;

fuzz_target!(|line: &str| {
    if let Some(mapped) = mapped(line) {
        assert!(!mapped.range.contains(['/', '.']), "a range that is a path");
        assert_ne!(mapped.inode.1, 0, "a library without a file");
        assert!(line.contains(&mapped.path), "a path that is not there");
    }
});
