//! Where are the programs that the tests start?

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

/// The path of a program on this machine, or none.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// adbd, the example of the package tracer. `cargo test --workspace` has built it; where only this package is tested it is
/// built when it is missing or older than its sources.
pub fn adbd() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/TEST");
    let adbd = profile.join("examples/adbd");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracer/examples/adbd");
    let built = fs::metadata(&adbd).and_then(|metadata| metadata.modified());
    if built.is_ok_and(|built| built >= newest(&sources)) {
        return adbd;
    }
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "build",
            "--quiet",
            "--package",
            "tracer",
            "--example",
            "adbd",
        ])
        .arg("--target-dir")
        .arg(profile.parent().expect("the target folder"))
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("start cargo");
    assert!(status.success(), "adbd could not be built: see above");
    adbd
}

fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).expect("the sources of adbd");
    let times = entries.map(|entry| {
        let entry = entry.expect("a source of adbd");
        if entry.path().is_dir() {
            return newest(&entry.path());
        }
        let metadata = entry.metadata().expect("a source of adbd");
        metadata.modified().expect("the time of a source of adbd")
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
