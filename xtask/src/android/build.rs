//! How are the binaries for phones built?

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::elf;
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::cross;
use crate::needs::Purpose;
use crate::packages::Packages;
use crate::setup::setup;
use crate::step;

/// Phones may have pages of 16 KB, and load nothing whose segments are not aligned to their pages. The linker's own
/// choice is 4 KB on x86-64.
const PAGES: &str = "-C link-arg=-Wl,-z,max-page-size=16384,-z,common-page-size=16384";

/// A phone's two kinds of processors, with Android's names for them.
pub const ALL: [Architecture; 2] = [Architecture::Arm, Architecture::X86];

/// Builds tracer as it is shipped to a phone, and says where each binary lies.
#[expect(clippy::print_stdout, reason = "where the binaries lie is the answer")]
pub fn build(architectures: &[Architecture]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for architecture in architectures {
        let path = build_one(*architecture)?;
        let size = fs::metadata(&path)
            .with_context(|| format!("look at {}", path.display()))?
            .len();
        println!("{} {size} bytes", path.display());
        paths.push(path);
    }
    Ok(paths)
}

/// The same for one kind, without a word on stdout.
pub fn build_one(architecture: Architecture) -> Result<PathBuf> {
    // The linker for arm64 is the only need that a plain build does not have.
    setup(if architecture == Architecture::Arm {
        Purpose::Cross
    } else {
        Purpose::Build
    })?;
    let cache = Cache::open()?;
    let packages = Packages::new(&cache);
    let mut command = cross::cargo(&cache, &packages, architecture, PAGES)?;
    step::finish(
        command
            .args(["build", "--release", "--package", "tracer"])
            .args(["--bin", "tracer", "--target", architecture.triple()])
            .arg("--target-dir")
            .arg(build::target_dir())
            .current_dir(step::workspace()),
    )?;
    let built = build::target_dir()
        .join(architecture.triple())
        .join("release/tracer");
    let bytes = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    elf::check(&bytes, architecture)
        .with_context(|| format!("{} would not run on a phone", built.display()))?;
    let folder = build::target_dir()
        .join("android")
        .join(architecture.android());
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join("tracer");
    // Somebody may be pushing the old one: it stays whole until the new one takes its name.
    let unfinished = folder.join("tracer.unfinished");
    fs::copy(&built, &unfinished)
        .and_then(|_| fs::rename(&unfinished, &path))
        .with_context(|| format!("copy {} to {}", built.display(), path.display()))?;
    Ok(path)
}
