//! How are the results of all machines shown beside each other?
#![expect(
    clippy::print_stdout,
    reason = "the table is what the run was asked for"
)]

use super::verdict::{Results, Verdict};

/// A machine's name, and what became of the tests on it.
pub type Column = (String, Results);

/// A column for each machine, a line for each test; below, the reasons. Says how many tests failed.
pub fn show(columns: &[Column]) -> usize {
    let columns = merged(columns);
    let width = |name: &str| name.len().max("FAILED 123.4".len());
    for (name, _) in &columns {
        print!("{name:<0$}  ", width(name));
    }
    println!("test (seconds)");
    for test in tests(&columns) {
        for (name, results) in &columns {
            print!("{:<1$}  ", cell(results, test), width(name));
        }
        println!("{test}");
    }
    let mut counts = [0; 4];
    for (name, results) in &columns {
        for result in &results.tests {
            let test = &result.test;
            let place = match &result.verdict {
                Verdict::Ok => 0,
                Verdict::Failed(said) => {
                    println!("\n{name}: FAILED {test}: {said}");
                    1
                }
                Verdict::Skipped(reason) => {
                    println!("{name}: skipped {test}: {reason}");
                    2
                }
                Verdict::Known(why) => {
                    println!("{name}: known to fail: {test}: {why}");
                    3
                }
            };
            counts[place] += 1;
        }
    }
    let [passed, failed, skipped, known] = counts;
    println!("\nlive tests: {known} known to fail, on all machines");
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    failed
}

/// Columns of one name made one.
fn merged(columns: &[Column]) -> Vec<Column> {
    let mut all: Vec<Column> = Vec::new();
    for (name, results) in columns {
        match all.iter_mut().find(|(found, _)| found == name) {
            Some((_, found)) => found.tests.extend(results.tests.iter().cloned()),
            None => all.push((name.clone(), results.clone())),
        }
    }
    all
}

/// Each test once, in the order in which they ran.
fn tests(columns: &[Column]) -> Vec<&str> {
    let mut tests: Vec<&str> = Vec::new();
    for result in columns.iter().flat_map(|(_, results)| &results.tests) {
        if !tests.contains(&result.test.as_str()) {
            tests.push(&result.test);
        }
    }
    tests
}

fn cell(results: &Results, test: &str) -> String {
    let Some(result) = results.tests.iter().find(|result| result.test == test) else {
        return "-".to_owned();
    };
    let word = match result.verdict {
        Verdict::Ok => "ok",
        Verdict::Failed(_) => "FAILED",
        Verdict::Known(_) => "known",
        Verdict::Skipped(_) => return "skipped".to_owned(),
    };
    format!("{word:<6} {:>5.1}", result.seconds)
}
