//! How do the live tests run on this machine's kernel?
//!
//! Each in a process of its own, one at a time: they compare what the tracer says with what the whole machine did.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::ebpf;
use crate::plan::said;
use crate::plan::verdict::{Results, TestResult, Verdict};
use crate::plan::{self, HERE, Scope};
use crate::step;

/// Runs tests of the binary, which need root, each as thoroughly as the run is.
pub fn run(binary: &Path, names: &[&str], scope: Scope) -> Result<Results> {
    let environment: &[(&str, &Path)] = match scope {
        Scope::Short => &[],
        Scope::Long => &[("TRACER_LONG", Path::new("1"))],
    };
    eprintln!("running {} live tests, each by itself", names.len());
    let mut results = Results {
        is_complete: true,
        ..Results::default()
    };
    for name in names {
        let start = Instant::now();
        let output = once(binary, name, environment)?;
        let seconds = start.elapsed().as_secs_f64();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = match output.status.code() {
            Some(code) => code.to_string(),
            None => output.status.to_string(),
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut result = TestResult {
            test: (*name).to_owned(),
            verdict: said::verdict(&status, &lines),
            seconds,
        };
        plan::verdict::judge_one(HERE, &mut result);
        let word = match &result.verdict {
            Verdict::Ok => "ok",
            Verdict::Skipped(_) => "skipped",
            Verdict::Known(_) => "known",
            Verdict::Failed(_) => {
                eprintln!("{text}");
                "FAILED"
            }
        };
        eprintln!("test {name} ... {word} ({seconds:.1} s)");
        results.tests.push(result);
    }
    Ok(results)
}

/// The tests of the binary that fit some arguments of Rust's test harness.
pub fn fitting(binary: &Path, arguments: &[String]) -> Result<Vec<String>> {
    let output = Command::new(binary)
        .args(["--list", "--format", "terse"])
        .args(arguments)
        .output()
        .with_context(|| format!("start {}", binary.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().trim_start_matches("error: "));
    }
    let output = String::from_utf8(output.stdout).context("the list of the tests")?;
    let names = output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

/// Runs one test, with further variables in its environment.
pub fn once(binary: &Path, name: &str, environment: &[(&str, &Path)]) -> Result<Output> {
    let mut command = as_root(binary)?;
    command
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .envs(environment.iter().copied());
    command.output().with_context(|| format!("start {name}"))
}

/// A program, by way of sudo where this is not root.
pub fn as_root(program: &Path) -> Result<Command> {
    if step::is_root() {
        return Ok(Command::new(program));
    }
    let Some(sudo) = ebpf::find_program("sudo") else {
        bail!(
            "live tests need root, and there is no sudo\nhint: run as root, or cargo xtask test --quick"
        );
    };
    let mut command = Command::new(sudo);
    command.args(["--preserve-env", "--"]).arg(program);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_asked_for_are_listed_and_one_is_run_alone() {
        let itself = std::env::current_exe().expect("the path of this test");
        let name = "stages::tests::the_table_has_each_stage_and_the_sum_fails_with_any";
        let asked = ["stages::tests::the_table".to_owned()];
        assert_eq!(fitting(&itself, &asked).expect("list them"), [name]);
        if !step::is_root() {
            return;
        }
        let output = once(&itself, name, &[]).expect("run it");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed; 0 failed;"), "{said}");
    }
}
