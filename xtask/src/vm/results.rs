//! What became of each test, by what the tests' port said?

use super::guest::MARK;

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Ok,
    /// With the reason, as the test, or its `#[ignore = "…"]`, gives it.
    Skipped(String),
    /// With the last lines that it said.
    Failed(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// Its name: `exact::a_workload_…`.
    pub test: String,
    pub verdict: Verdict,
    pub seconds: f64,
}

/// What one machine's tests said.
#[derive(Debug, Default)]
pub struct Results {
    pub tests: Vec<TestResult>,
    /// Whether it came to its end.
    pub is_complete: bool,
}

/// How many of a failed test's lines are shown.
const LAST_LINES: usize = 12;

/// Reads the log of the tests' port, which may break off anywhere.
pub fn read(log: &str) -> Results {
    let mut results = Results::default();
    // The test that runs: its name, when it began, and what it said.
    let mut running: Option<(String, f64, Vec<&str>)> = None;
    for line in log.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some(MARK) {
            if let Some((_, _, said)) = &mut running {
                said.push(line);
            }
            continue;
        }
        let words: Vec<&str> = words.collect();
        match words.as_slice() {
            ["begin", name, at] => {
                running = Some(((*name).to_owned(), number(at), Vec::new()));
            }
            ["end", _, at, status] => {
                if let Some((test, began, said)) = running.take() {
                    results.tests.push(TestResult {
                        test,
                        verdict: verdict(status, &said),
                        seconds: number(at) - began,
                    });
                }
            }
            ["done", _] => results.is_complete = true,
            _ => {}
        }
    }
    if let Some((test, _, said)) = running {
        results.tests.push(TestResult {
            test,
            verdict: Verdict::Failed(format!("did not end\n{}", last(&said))),
            seconds: 0.0,
        });
    }
    results
}

/// The last lines that say something.
pub fn last(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

fn verdict(status: &str, said: &[&str]) -> Verdict {
    if status != "0" {
        // What follows the test's own message is libtest's, and says nothing more.
        let panic = said.iter().position(|line| line.contains("panicked at"));
        let end = panic.map_or(said.len(), |at| said.len().min(at + LAST_LINES / 2));
        return Verdict::Failed(format!("exit status {status}\n{}", last(&said[..end])));
    }
    // The start of a test's output follows its name on the same line.
    let output = said.iter().map(|line| {
        let rest = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "));
        rest.map_or(*line, |(_, output)| output)
    });
    // A test that finds out while it runs that it cannot be run here says so, at the start of a line.
    let skipped = output
        .clone()
        .find_map(|line| line.strip_prefix("skipped: "));
    let ignored = output.clone().find_map(|line| line.strip_prefix("ignored"));
    let ignored = ignored.map(|reason| reason.trim_start_matches(", "));
    match skipped.or(ignored) {
        Some(reason) => Verdict::Skipped(reason.trim().to_owned()),
        None => Verdict::Ok,
    }
}

fn number(word: &str) -> f64 {
    word.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, expected: &[(&str, Verdict, f64)], is_complete: bool) {
        let results = read(log);
        let expected: Vec<TestResult> = expected
            .iter()
            .map(|(test, verdict, seconds)| TestResult {
                test: (*test).to_owned(),
                verdict: verdict.clone(),
                seconds: *seconds,
            })
            .collect();
        assert_eq!(results.tests, expected, "{log}");
        assert_eq!(results.is_complete, is_complete, "{log}");
    }

    #[test]
    fn each_test_has_its_verdict_and_its_time() {
        check(
            "@@vm begin live::a 1.5\ntest live::a ... noise\n@@vm end live::a 2.0 0\n\
             @@vm begin live::b 2.0\ntest live::b ... skipped: no tc here\nok\n@@vm end live::b 3.0 0\n\
             @@vm begin live::c 3.0\ntest live::c ... ignored, takes an hour\n@@vm end live::c 3.0 0\n\
             @@vm begin live::d 3.0\nno\n@@vm end live::d 4.0 101\n@@vm done 4.0\n",
            &[
                ("live::a", Verdict::Ok, 0.5),
                ("live::b", Verdict::Skipped("no tc here".to_owned()), 1.0),
                ("live::c", Verdict::Skipped("takes an hour".to_owned()), 0.0),
                (
                    "live::d",
                    Verdict::Failed("exit status 101\nno".to_owned()),
                    1.0,
                ),
            ],
            true,
        );
    }

    #[test]
    fn a_test_that_did_not_end_has_failed() {
        check(
            "@@vm begin live::a 1.5\nwaiting\n",
            &[(
                "live::a",
                Verdict::Failed("did not end\nwaiting".to_owned()),
                0.0,
            )],
            false,
        );
        check("", &[], false);
    }
}
