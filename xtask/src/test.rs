//! What must pass before a change goes in?

use std::env;
use std::process;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::build;
use crate::deny;
use crate::needs::Purpose;
use crate::phone;
use crate::runner;
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
    step("static release build", || build::build_static().map(drop))?;
    if !quick {
        step("other kernels", || vm::vm(&vm::Arguments::default()))?;
        step("phones", || phone::prove_all(None))?;
    }
    // Announced before it runs, so that the output closes with what cargo test itself says.
    eprintln!(
        "after {:>6.1} s  cargo test --workspace {}",
        start.elapsed().as_secs_f64(),
        arguments.join(" ")
    );
    run_tests(quick, arguments)
}

fn run_tests(quick: bool, arguments: &[String]) -> Result<()> {
    let itself = env::current_exe().context("find xtask's own binary")?;
    let mut command = step::cargo(&["test", "--workspace", "--config"]);
    // A list, not a line: the folder may have spaces in its name.
    command.arg(format!(
        "target.'cfg(all())'.runner = [{:?}, \"runner\"]",
        itself.display().to_string()
    ));
    if quick {
        command.env(runner::QUICK, "1");
    }
    let status = command
        .args(arguments)
        .status()
        .context("start cargo test")?;
    // cargo test has said what failed; a line of ours would only hide it.
    process::exit(status.code().unwrap_or(1));
}
