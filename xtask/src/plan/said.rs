//! What did a test come to, by what it said?

use super::verdict::Verdict;

/// How many of a failed test's lines are shown.
const LAST_LINES: usize = 12;

/// The last lines that say something.
pub fn last(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// What a test came to, by its exit status and its lines.
pub fn verdict(status: &str, said: &[&str]) -> Verdict {
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
