//! How do the live tests run on this kernel?
//!
//! Each in a process of its own, one at a time: they compare what the tracer says with what the whole machine did. One that
//! failed is begun again only where this kernel hid something from every program of BPF meanwhile: see `hidden`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::process::{self, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::hidden::Hidden;

/// How often a test is begun in any case, if its kernel hides something each time.
const ATTEMPTS: u32 = 3;
/// And so long at least where it is short.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the tests of a binary that the arguments, which are those of Rust's test harness, ask for. Ends this process where one fails.
pub fn run(program: &str, arguments: &[String]) -> Result<()> {
    let start = Instant::now();
    let has = |flags: &[&str]| arguments.iter().any(|word| flags.contains(&word.as_str()));
    let mut names = list(program, arguments, &[])?;
    let all = names.len();
    if !has(&["--ignored", "--include-ignored"]) {
        let ignored: HashSet<String> = list(program, arguments, &["--ignored"])?
            .into_iter()
            .collect();
        names.retain(|name| !ignored.contains(name));
    }
    let is_aloud = has(&["--nocapture", "--no-capture"]);
    eprintln!("\nrunning {} live tests, each by itself", names.len());
    let (mut failed, mut again) = (Vec::new(), Vec::new());
    for name in &names {
        let (has_passed, attempts) = attempt(program, name, is_aloud)?;
        if !has_passed {
            failed.push(name.as_str());
        }
        if attempts > 1 {
            again.push(format!("{name} ({attempts} attempts)"));
        }
    }
    if !again.is_empty() {
        eprintln!("\nbegun again: {}", again.join(", "));
    }
    // As the harness says it, for whoever reads the last lines of `cargo test`.
    eprintln!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        names.len() - failed.len(),
        failed.len(),
        all - names.len(),
        start.elapsed().as_secs_f64(),
    );
    if !failed.is_empty() {
        eprintln!("error: these live tests failed: {}", failed.join(", "));
        process::exit(FAILED);
    }
    Ok(())
}

/// What a binary of Rust's test harness ends with where a test failed.
const FAILED: i32 = 101;

/// The names of the tests that the arguments ask for.
fn list(program: &str, arguments: &[String], more: &[&str]) -> Result<Vec<String>> {
    let output = Command::new(program)
        .args(arguments)
        .args(["--list", "--format", "terse"])
        .args(more)
        .output()
        .with_context(|| format!("start {program}"))?;
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

/// Runs one test, again where it is due, and says how that went: whether it passed at last, and in how many attempts.
fn attempt(program: &str, name: &str, is_aloud: bool) -> Result<(bool, u32)> {
    let first = Instant::now();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let hidden = Hidden::begin_in_process(1);
        let start = Instant::now();
        let (status, said) = once(program, name, is_aloud)?;
        let seconds = start.elapsed().as_secs_f64();
        if status.success() {
            eprintln!("test {name} ... ok ({seconds:.1} s)");
            return Ok((true, attempts));
        }
        eprintln!("{said}\ntest {name} ... FAILED ({seconds:.1} s, {status})");
        let changes = match hidden {
            Ok(hidden) => hidden.changes(),
            Err(error) => {
                eprintln!("nothing is known of what this kernel hides: {error}");
                0
            }
        };
        if !is_due(changes, attempts, first.elapsed()) {
            return Ok((false, attempts));
        }
        eprintln!("again: {changes} changes of sockets in a thread of the first process");
    }
}

/// Whether a test that failed may be begun again. `changes` were hidden in its last attempt.
fn is_due(changes: usize, attempts: u32, passed: Duration) -> bool {
    changes > 0 && (attempts < ATTEMPTS || passed < PATIENCE)
}

/// Runs one test once. What it says is returned, or goes where what this process says goes.
pub fn once(
    program: impl AsRef<OsStr>,
    name: &str,
    is_aloud: bool,
) -> Result<(ExitStatus, String)> {
    let mut command = Command::new(program);
    command.args(["--exact", name, "--include-ignored", "--nocapture"]);
    if is_aloud {
        return Ok((command.status().context(name.to_owned())?, String::new()));
    }
    let output = command.output().context(name.to_owned())?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status, String::from_utf8_lossy(&said).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_test_is_begun_often_and_a_long_one_three_times() {
        let check = |changes, attempts, seconds, expected| {
            let is_due = is_due(changes, attempts, Duration::from_secs(seconds));
            assert_eq!(is_due, expected, "{attempts} in {seconds} s");
        };
        check(1, 20, 59, true);
        check(1, 2, 90, true);
        check(1, 3, 90, false);
        check(1, 3, 60, false);
        // What fails by itself has failed.
        check(0, 1, 1, false);
    }

    /// A binary of the test harness: this one, whose tests of this module are asked for.
    fn itself() -> String {
        let path = std::env::current_exe().expect("the path of this test");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    #[test]
    fn the_tests_asked_for_are_listed_and_one_is_run_alone() {
        let asked = "live::tests::a_short_test";
        let expected = ["live::tests::a_short_test_is_begun_often_and_a_long_one_three_times"];
        let names = list(&itself(), &[asked.to_owned()], &[]).expect("list them");
        assert_eq!(names, expected);
        let none = list(&itself(), &[asked.to_owned()], &["--ignored"]).expect("list none");
        assert_eq!(none, [""; 0]);
        let (status, said) = once(itself(), expected[0], false).expect("run it");
        assert!(status.success(), "{said}");
        assert!(said.contains("1 passed; 0 failed;"), "{said}");
    }
}
