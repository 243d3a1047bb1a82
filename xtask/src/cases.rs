//! Do the public cases come out as their truth says, where they lie beside this repository?
//!
//! They are nobody's to need: the project is tested without them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::build;
use crate::live;
use crate::plan::HERE;
use crate::plan::verdict::{Results, TestResult, Verdict};
use crate::step;

/// A case waits for what the kernel does in its own time; one that hangs ends itself after two minutes.
const PATIENCE: Duration = Duration::from_secs(900);

/// What runs them, where it is there.
pub fn runner() -> Option<PathBuf> {
    let path = step::workspace().join("../shared/cases/run");
    path.is_file().then_some(path)
}

/// Runs all of them against a tracer.
pub fn run(runner: &Path, tracer: &Path) -> Results {
    run_all(runner, tracer).unwrap_or_else(|error| Results {
        tests: vec![TestResult {
            test: "cases::run".to_owned(),
            verdict: Verdict::Failed(format!("{error:#}")),
            seconds: 0.0,
        }],
        is_complete: false,
    })
}

fn run_all(runner: &Path, tracer: &Path) -> Result<Results> {
    let log = build::target_dir().join("cases.log");
    let output = File::create(&log).with_context(|| format!("write {}", log.display()))?;
    let start = Instant::now();
    let mut child = live::as_root(runner)?
        .arg(tracer)
        .stdin(Stdio::null())
        .stdout(output.try_clone().context("a second descriptor")?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("start {}", runner.display()))?;
    let mut results = Results::default();
    // When each of them was over is when its line was there.
    let mut told = Vec::new();
    while start.elapsed() < PATIENCE {
        let is_over = child.try_wait().context("wait for the cases")?.is_some();
        let said = fs::read(&log).unwrap_or_default();
        let all = ends(&String::from_utf8_lossy(&said));
        told.resize(all.len(), start.elapsed().as_secs_f64());
        if is_over {
            let begun = [0.0].into_iter().chain(told.iter().copied());
            results.is_complete = true;
            results.tests = all
                .into_iter()
                .zip(told.iter().zip(begun))
                .map(|((name, verdict), (end, begin))| TestResult {
                    test: format!("cases::{name}"),
                    verdict,
                    seconds: end - begin,
                })
                .collect();
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    if !results.is_complete {
        let _ = child.kill();
        let _ = child.wait();
    }
    results.judge(HERE);
    if !results.is_complete || results.tests.is_empty() {
        results.tests.push(TestResult {
            test: "cases::run".to_owned(),
            verdict: Verdict::Failed(format!("it did not end: see {}", log.display())),
            seconds: start.elapsed().as_secs_f64(),
        });
    }
    Ok(results)
}

/// How each case ended; those that differ with what they said.
fn ends(said: &str) -> Vec<(String, Verdict)> {
    let mut ends = Vec::new();
    let mut lines = Vec::new();
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("ok      ") {
            ends.push((name.to_owned(), Verdict::Ok));
            lines.clear();
        } else if let Some(name) = line.strip_prefix("DIFFERS ") {
            ends.push((name.to_owned(), Verdict::Failed(lines.join("\n"))));
            lines.clear();
        } else {
            lines.push(line);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_has_its_end_and_what_it_said() {
        let said =
            "=== c01: DIFFERENT\n  ! a\nDIFFERS 01-a\n=== c02: OK\nok      02-b\n1 of 2 differ\n";
        let expected = [
            (
                "01-a".to_owned(),
                Verdict::Failed("=== c01: DIFFERENT\n  ! a".to_owned()),
            ),
            ("02-b".to_owned(), Verdict::Ok),
        ];
        assert_eq!(ends(said), expected);
        assert_eq!(ends("=== c01"), []);
    }
}
