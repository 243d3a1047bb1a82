//! Feeds any bytes as `status`, `cmdline`, `cgroup`, `stat` and the link `exe` of a process, separated by bytes of value 1.
#![no_main]

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, os::unix::fs::symlink};

use libfuzzer_sys::fuzz_target;
use tracer::attribute::{command_of, linux, program_of};

fuzz_target!(|bytes: &[u8]| {
    // Of the process, so that several fuzzers do not share it; set TMPDIR to a tmpfs for speed.
    let root = std::env::temp_dir().join(format!("tracer-fuzz-{}", std::process::id()));
    let process = root.join("proc/7");
    fs::create_dir_all(&process).expect("a directory for temporary files");
    let mut parts = bytes.splitn(5, |byte| *byte == 1);
    for file in ["status", "cmdline", "cgroup", "stat"] {
        fs::write(process.join(file), parts.next().unwrap_or_default()).expect("a file in it");
    }
    // Fails where the text can be no link, which leaves the process without one.
    let _ = symlink(
        OsStr::from_bytes(parts.next().unwrap_or_default()),
        process.join("exe"),
    );
    let program = program_of(&root, 7);
    let command = command_of(&root, 7, 0);
    fs::remove_dir_all(&root).expect("what was made is removed");
    assert_ne!(command.ok().flatten().as_deref(), Some(""));
    let Ok(program) = program else { return };
    assert_ne!(program.command.as_deref(), Some(""));
    if let Ok(found) = linux::app(&program, |_, _| None) {
        assert!(!found.app.is_empty(), "an app without a name: {program:?}");
    }
});
