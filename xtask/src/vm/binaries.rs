//! How are the tests built for a machine that has no libraries, and of another architecture?

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use super::kernels::Share;
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::cross;
use crate::packages::Packages;
use crate::step;

/// The test binaries, of `tracer/tests/`, that are run in machines of their own, and the least share of a kernel that has them.
const TESTS: &[(&str, Share)] = &[
    ("live_calibration", Share::Measured),
    ("live_datagram", Share::Measured),
    ("live_exact", Share::Core),
    ("live_zygote", Share::Core),
    ("live_associations", Share::Most),
    ("live_frames", Share::Most),
    ("live_multipath", Share::Most),
    ("live_beside", Share::Most),
    ("live_attempts", Share::Most),
    ("live_busy", Share::Whole),
    ("live_programs", Share::Whole),
    ("live_traffic", Share::Whole),
    ("live_traps", Share::Whole),
    ("live_sockets", Share::Whole),
    ("live_android", Share::Named),
    ("live_sources", Share::Named),
];

/// Whether a test binary belongs to a share.
pub fn is_of(name: &str, share: Share) -> bool {
    TESTS
        .iter()
        .any(|(test, least)| *test == name && *least <= share)
}

/// What was built for one architecture.
pub struct Binaries {
    /// Name and path of each test binary.
    pub tests: Vec<(String, PathBuf)>,
    /// The tracer and the generator, which the tests look for where they were built.
    others: Vec<PathBuf>,
}

impl Binaries {
    /// Puts them at the very paths that they have here.
    pub fn archive(&self, file: &Path) -> Result<()> {
        let mut archive = Archive::create(file)?;
        let tests = self.tests.iter().map(|(_, path)| path);
        for path in tests.chain(&self.others) {
            archive.copy(&path.display().to_string(), path)?;
        }
        archive.finish()
    }
}

/// Builds the tracer, the generator and the tests, all of them linked statically.
pub fn build(cache: &Cache, packages: &Packages, architecture: Architecture) -> Result<Binaries> {
    let tests: Vec<&str> = TESTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| {
            step::workspace()
                .join(format!("tracer/tests/{name}.rs"))
                .exists()
        })
        .collect();
    let mut command = cross::cargo(cache, packages, architecture, "")?;
    command
        .args(["build", "--package", "tracer", "--bin", "tracer"])
        .args([
            "--example",
            "workload",
            "--example",
            "phone",
            "--example",
            "adbd",
        ])
        .args(tests.iter().flat_map(|name| ["--test", name]))
        .args(["--target", architecture.triple(), "--target-dir"])
        .arg(build::target_dir())
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(step::workspace())
        .stderr(Stdio::inherit());
    cross::for_emulation(&mut command);
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
    let mut binaries = Binaries {
        tests: Vec::new(),
        others: Vec::new(),
    };
    for path in said.lines().filter_map(executable) {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name", path.display()))?;
        match tests.iter().find(|test| is_build_of(name, test)) {
            Some(test) => binaries.tests.push(((*test).to_owned(), path)),
            None => binaries.others.push(path),
        }
    }
    // In the order of the list, not in that in which they were done.
    binaries
        .tests
        .sort_by_key(|(name, _)| tests.iter().position(|test| test == name));
    Ok(binaries)
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
        assert!(is_build_of("live_exact-0123abcd", "live_exact"));
        assert!(!is_build_of("tracer", "live_exact"));
        assert!(!is_build_of("live_exact-other-0123", "live_exact"));
    }
}
