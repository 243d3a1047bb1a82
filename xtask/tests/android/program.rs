//! A program that a test writes, and that somebody runs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes one, by another process. What this one has open for writing is inherited by whatever another test starts at that moment, and nobody
/// may run it then (`ETXTBSY`).
pub fn write(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("start a shell");
    let mut input = writer.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("write a program");
    drop(input);
    let status = writer.wait().expect("wait for it");
    assert!(status.success(), "{}: {status}", path.display());
}
