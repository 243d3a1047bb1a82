//! Feeds any bytes as the files of container runtimes: a name they give is short, printable and not empty.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::runtime::{annotated, docker, podman};

fuzz_target!(|file: &[u8]| {
    for name in [docker(file), podman(file, "a"), annotated(file)]
        .into_iter()
        .flatten()
    {
        assert!(!name.is_empty() && name.len() <= 255, "no name: {name:?}");
        assert!(
            !name.contains(char::is_control),
            "it would break a line: {name:?}"
        );
    }
});
