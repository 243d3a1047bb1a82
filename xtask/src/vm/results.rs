//! What became of each test, by what the tests' port said?

use super::guest::{MARK, STARTED};
use crate::plan::said::{last, verdict};
use crate::plan::verdict::{Results, TestResult, Verdict};

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

/// Whether the emulator tripped over a kernel that changes its own code: it ran a breakpoint that was there no longer. No
/// processor does that, and no program can make it happen. Or the kernel did not come as far as the first process.
pub fn has_tripped(console: &str) -> bool {
    console.contains("Oops: int3") || !console.contains(STARTED)
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
    fn only_what_the_emulator_did_is_taken_for_its_fault() {
        let check = |console: &str, expected| assert_eq!(has_tripped(console), expected);
        check(
            "vm: started after 3 s\n[ 482.1] Oops: int3: 0000 [#2] SMP NOPTI\n",
            true,
        );
        check("[ 0.3] Oops: general protection fault\n", true);
        check(
            "vm: started after 3 s\n[ 9.1] Oops: general protection fault\n",
            false,
        );
        check("vm: started after 3 s\n", false);
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
