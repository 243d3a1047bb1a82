//! Feeds any bytes as Android's `packages.list`: what is kept is bounded, sound and found again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::attribute::packages::{Packages, USER, parse};

fuzz_target!(|file: &[u8]| {
    let list = parse(file);
    let lines = file.split(|byte| *byte == b'\n').count();
    assert!(
        list.len() <= lines.min(100_000),
        "more packages than lines or room"
    );
    let packages = Packages::parse(file);
    for package in &list {
        assert!(!package.name.is_empty() && package.name.len() <= 255);
        assert!(package.app_id < USER);
        assert!(package.version.is_empty() || package.version.parse::<u64>().is_ok());
        assert_eq!(
            packages.named(&package.name),
            Some(package),
            "not found, or another of its name"
        );
        assert!(
            packages.of(package.app_id).next().is_some(),
            "not found by its app id"
        );
    }
});
