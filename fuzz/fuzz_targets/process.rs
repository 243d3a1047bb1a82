//! Feeds any bytes as what the kernel side wrote down of a program, on to the app it is by either set of rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer::{
    attribute::{android, linux, packages::Packages},
    kernel::process::program,
};
use tracer_common::ProcessFacts;
use zerocopy::FromBytes as _;

fuzz_target!(|bytes: &[u8]| {
    // Zeros for what is missing, so that short inputs count too.
    let mut entry = [0; size_of::<ProcessFacts>()];
    let given = bytes.len().min(entry.len());
    entry[..given].copy_from_slice(&bytes[..given]);
    let facts = ProcessFacts::read_from_bytes(&entry).expect("as many bytes as it has");

    let program = program(&facts);
    assert_ne!(program.executable.as_deref(), Some(""));
    assert_ne!(program.command.as_deref(), Some(""));
    let path = program.cgroup.as_deref().expect("it was written down");
    assert!(path.starts_with(['/', '…']), "no path: {path}");
    if let Ok(found) = linux::app(&program, |_, _| None) {
        assert!(!found.app.is_empty(), "an app without a name: {program:?}");
    }
    assert!(
        !android::identify(&program, &Packages::default())
            .app
            .is_empty()
    );
});
