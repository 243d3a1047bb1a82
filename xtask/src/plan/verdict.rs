//! What became of a test on a machine, beside what is known of it there?

use super::known::{KNOWN, Row, SKIPPED};

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Ok,
    /// With the reason, as the test, or its `#[ignore = "…"]`, gives it.
    Skipped(String),
    /// With the last lines that it said.
    Failed(String),
    /// It failed, as the table says, and why it does.
    Known(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// Its name: `exact::a_workload_…`.
    pub test: String,
    pub verdict: Verdict,
    pub seconds: f64,
}

impl TestResult {
    pub fn has_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }
}

/// What one machine's tests said.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub tests: Vec<TestResult>,
    /// Whether it came to its end.
    pub is_complete: bool,
}

impl Results {
    /// Sets each verdict beside what is known of the test on this machine.
    pub fn judge(&mut self, machine: &str) {
        for result in &mut self.tests {
            judge_one(machine, result);
        }
    }

    pub fn have_failed(&self) -> bool {
        self.tests.iter().any(TestResult::has_failed)
    }
}

/// Sets the verdict beside what is known of the test on this machine.
pub fn judge_one(machine: &str, result: &mut TestResult) {
    let known = KNOWN.iter().find(|row| row.is_of(machine, &result.test));
    let skipped = SKIPPED.iter().any(|row| row.is_of(machine, &result.test));
    let said = std::mem::replace(&mut result.verdict, Verdict::Ok);
    result.verdict = judge(said, known, skipped);
}

fn judge(said: Verdict, known: Option<&Row>, is_expected_to_skip: bool) -> Verdict {
    match (said, known, is_expected_to_skip) {
        (Verdict::Failed(text), Some(row), _) if text.contains(row.says) => Verdict::Known(row.why),
        (Verdict::Ok, Some(row), _) if row.always => Verdict::Failed(format!(
            "it passes, and is in the table of known failures: {}\nhint: take it out of xtask/src/plan/known.rs",
            row.why
        )),
        (Verdict::Skipped(reason), _, false) => Verdict::Failed(format!(
            "it was skipped, and nobody expects that here: {reason}\nhint: what this machine lacks is in xtask/src/plan/known.rs"
        )),
        (Verdict::Ok, None, true) => Verdict::Failed(
            "it ran, and is in the table of those that are skipped here\nhint: take it out of xtask/src/plan/known.rs".to_owned(),
        ),
        (said, ..) => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_no_failure_and_what_is_not_expected_is_one() {
        let failed = || Verdict::Failed("no".to_owned());
        let skipped = || Verdict::Skipped("no SCTP".to_owned());
        let [always, often] = [true, false].map(|always| Row {
            machines: &["a"],
            test: "b",
            why: "why",
            says: "no",
            always,
        });
        let fails = |said, known, skips| matches!(judge(said, known, skips), Verdict::Failed(_));
        assert_eq!(judge(Verdict::Ok, None, false), Verdict::Ok);
        assert_eq!(judge(Verdict::Ok, Some(&often), false), Verdict::Ok);
        assert_eq!(judge(failed(), None, false), failed());
        for known in [&always, &often] {
            let verdict = judge(failed(), Some(known), false);
            assert_eq!(verdict, Verdict::Known("why"));
            assert!(fails(Verdict::Failed("yes".to_owned()), Some(known), false));
        }
        assert_eq!(judge(skipped(), None, true), skipped());
        assert!(fails(Verdict::Ok, Some(&always), false));
        assert!(fails(skipped(), None, false));
        assert!(fails(skipped(), Some(&always), false));
        assert!(fails(Verdict::Ok, None, true));
        assert!(fails(failed(), None, true));
    }
}
