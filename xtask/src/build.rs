//! How is tracer itself built?

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::architecture::Architecture;
use crate::needs::Purpose;
use crate::setup::setup;
use crate::step;

/// Builds tracer, after seeing to what that needs, and says where the binary lies.
pub fn build(release: bool) -> Result<PathBuf> {
    setup(Purpose::Build)?;
    if release {
        build_static()
    } else {
        build_debug()
    }
}

/// The binary as it is shipped: linked statically, so that it runs on any Linux of this architecture.
pub fn build_static() -> Result<PathBuf> {
    let host = host_triple()?;
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    step::finish(
        step::cargo(&[
            "build",
            "--release",
            "--package",
            "tracer",
            "--target",
            &host,
        ])
        .arg("--target-dir")
        .arg(target_dir())
        // With --target these flags spare the proc macros, which cannot be static.
        .env(
            "RUSTFLAGS",
            format!("{flags} -C target-feature=+crt-static").trim_start(),
        ),
    )?;
    Ok(target_dir().join(host).join("release/tracer"))
}

fn build_debug() -> Result<PathBuf> {
    step::finish(step::cargo(&["build", "--package", "tracer", "--target-dir"]).arg(target_dir()))?;
    Ok(target_dir().join("debug/tracer"))
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    step::workspace().join(Path::new(&named))
}

/// Where the tests, and what they run, lie that were built for an architecture: `cross::for_tests`.
pub fn tests_dir(architecture: Architecture) -> PathBuf {
    target_dir().join(architecture.triple()).join("debug")
}

fn host_triple() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("rustc -vV")?;
    let text = String::from_utf8(output.stdout).context("rustc -vV")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}
