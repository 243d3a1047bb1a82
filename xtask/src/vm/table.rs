//! How are the results of all kernels shown beside each other?
#![expect(
    clippy::print_stdout,
    reason = "the table is what the run was asked for"
)]

use super::results::{Results, Verdict};

/// A kernel's name, and what became of the tests on it.
pub type Column = (&'static str, Results);

/// A column for each kernel, a line for each test; below, the reasons.
pub fn show(columns: &[Column]) {
    let width = |name: &str| name.len().max("FAILED 123.4 s".len());
    for (name, _) in columns {
        print!("{name:<0$}  ", width(name));
    }
    println!("test");
    for test in tests(columns) {
        for (name, results) in columns {
            print!("{:<1$}  ", cell(results, test), width(name));
        }
        println!("{test}");
    }
    for (name, results) in columns {
        for result in &results.tests {
            match &result.verdict {
                Verdict::Ok => {}
                Verdict::Skipped(reason) => println!("{name}: skipped {}: {reason}", result.test),
                Verdict::Failed(said) => {
                    println!("\n{name}: FAILED {}: {said}", result.test);
                }
            }
        }
    }
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
        return "not run".to_owned();
    };
    let word = match result.verdict {
        Verdict::Ok => "ok",
        Verdict::Skipped(_) => return "skipped".to_owned(),
        Verdict::Failed(_) => "FAILED",
    };
    format!("{word:<6} {:>5.1} s", result.seconds)
}
