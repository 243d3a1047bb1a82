//! How are the tests built for a machine that has no libraries, and of another architecture?

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::cross;
use crate::packages::Packages;
use crate::step;

/// The test binary.
const LIVE: &str = "live";

/// What was built for one architecture.
pub struct Binaries {
    /// The live tests.
    pub live: PathBuf,
    /// The tracer and the generator, which the tests look for where they were built.
    others: Vec<PathBuf>,
}

impl Binaries {
    /// One of those that the tests look for.
    pub fn named(&self, name: &str) -> Result<&Path> {
        let found = self.others.iter().find(|path| path.ends_with(name));
        let found = found.with_context(|| format!("{name} was not built"))?;
        Ok(found)
    }

    /// Puts them at the very paths that they have here.
    pub fn archive(&self, file: &Path) -> Result<()> {
        let mut archive = Archive::create(file)?;
        for path in self.others.iter().chain([&self.live]) {
            archive.copy(&path.display().to_string(), path)?;
        }
        archive.finish()
    }
}

/// Builds the tracer, the generator and the tests, all of them linked statically.
pub fn build(cache: &Cache, packages: &Packages, architecture: Architecture) -> Result<Binaries> {
    let mut command = cross::cargo(cache, packages, architecture, "")?;
    command
        // As `cargo test` does: of one package alone, what it depends on would have other features, and be built again.
        .args(["build", "--workspace", "--bin", "tracer"])
        .args([
            "--example",
            "workload",
            "--example",
            "phone",
            "--example",
            "adbd",
            "--test",
            LIVE,
        ])
        .args(["--target", architecture.triple(), "--target-dir"])
        .arg(build::target_dir())
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(step::workspace())
        .stderr(Stdio::inherit());
    cross::for_tests(&mut command);
    let output = command
        .output()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "the tests could not be built for {}: {}",
            architecture.triple(),
            output.status
        );
    }
    let said = String::from_utf8(output.stdout).context("what cargo says")?;
    let (live, others): (Vec<_>, Vec<_>) = said.lines().filter_map(executable).partition(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| is_build_of(name, LIVE))
    });
    let live = live
        .into_iter()
        .next()
        .context("the live tests were not built")?;
    Ok(Binaries { live, others })
}

/// The program that a line of cargo's says was built. A path with a quote in it is more than cargo's own tests have.
fn executable(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once("\"executable\":\"")?;
    rest.split_once('"').map(|(path, _)| PathBuf::from(path))
}

/// cargo names a test binary after its file, with a hash behind.
fn is_build_of(binary: &str, test: &str) -> bool {
    binary
        .strip_prefix(test)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_what_cargo_says() {
        let check = |line, expected: Option<&str>| {
            assert_eq!(executable(line), expected.map(PathBuf::from), "{line}");
        };
        check(
            r#"{"filenames":["/t/a"],"executable":"/t/a","fresh":true}"#,
            Some("/t/a"),
        );
        check(r#"{"filenames":["/t/a.rlib"],"executable":null}"#, None);
    }

    #[test]
    fn a_test_binary_is_known_by_its_name() {
        assert!(is_build_of("live-0123abcd", LIVE));
        assert!(!is_build_of("tracer", LIVE));
        assert!(!is_build_of("live-other-0123", LIVE));
    }
}
