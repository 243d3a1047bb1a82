//! What must pass before a change goes in?

use std::io::{self, Write};
use std::process;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::android;
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::deny;
use crate::native;
use crate::needs::Purpose;
use crate::packages::Packages;
use crate::phone;
use crate::setup::setup;
use crate::step::{self, step};
use crate::tidy;
use crate::vm;

/// Runs every check in the order of its price, and stops at the first that fails.
pub fn test(quick: bool, arguments: &[String]) -> Result<()> {
    let start = Instant::now();
    step("setup", || setup(Purpose::Test))?;
    step("cargo fmt", || {
        step::finish(&mut step::cargo(&["fmt", "--all", "--check"]))
    })?;
    step("tidy", tidy::tidy)?;
    step("cargo clippy", || {
        step::finish(&mut step::cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("cargo deny", deny::deny)?;
    if quick {
        step("static release build", || build::build_static().map(drop))?;
        let status = native::command(quick, arguments)?
            .status()
            .context("start cargo test")?;
        // cargo test has said what failed; a line of ours would only hide it.
        process::exit(status.code().unwrap_or(1));
    }
    let mut output = Vec::new();
    step("cargo test", || {
        let said = native::beside(&mut native::command(quick, arguments)?, build_for_others)?;
        if !said.status.success() {
            process::exit(said.status.code().unwrap_or(1));
        }
        output = said.output;
        Ok(())
    })?;
    step("other kernels", || vm::vm(&vm::Arguments::default()))?;
    step("phones", || phone::prove_all(None))?;
    // The output closes with what cargo test itself said.
    eprintln!(
        "after {:>6.1} s  cargo test --workspace {}",
        start.elapsed().as_secs_f64(),
        arguments.join(" ")
    );
    io::stdout().write_all(&output).context("print it")
}

/// All that the steps behind `cargo test` would build.
fn build_for_others() -> Result<()> {
    let cache = Cache::open()?;
    let packages = Packages::new(&cache);
    // First, since half of its time it has work for one processor only.
    android::build::build_one(Architecture::Arm)?;
    vm::binaries::build(&cache, &packages, Architecture::Arm)?;
    phone::Programs::build(&cache).map(drop)
}
