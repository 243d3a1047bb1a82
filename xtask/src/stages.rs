//! How long did each stage of a run take?

use std::time::Instant;

use anyhow::Result;

/// The stages of a run, with a table at its end.
pub struct Stages {
    start: Instant,
    done: Vec<(String, f64, bool)>,
}

impl Stages {
    pub fn begin() -> Self {
        Self {
            start: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one stage, and says in one line how long it took.
    pub fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{}", line(name, seconds, result.is_ok()));
        self.done.push((name.to_owned(), seconds, result.is_ok()));
        result
    }

    /// Says how long it took since then what other stages were a part of.
    pub fn since(&mut self, start: Instant, name: &str) {
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("{}", line(name, seconds, true));
        self.done.push((name.to_owned(), seconds, true));
    }

    /// All of them, and how long all took.
    pub fn table(&self) -> String {
        let mut lines = vec!["\nstages of this run:".to_owned()];
        lines.extend(
            self.done
                .iter()
                .map(|(name, seconds, is_ok)| line(name, *seconds, *is_ok)),
        );
        let has_passed = self.done.iter().all(|(.., is_ok)| *is_ok);
        lines.push(line("all", self.start.elapsed().as_secs_f64(), has_passed));
        lines.join("\n")
    }
}

fn line(name: &str, seconds: f64, is_ok: bool) -> String {
    let verdict = if is_ok { "ok" } else { "FAILED" };
    format!("{verdict:<7}{seconds:>6.1} s  {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_stage_and_the_sum_fails_with_any() {
        let mut stages = Stages::begin();
        stages.run("good", || Ok(())).expect("it is good");
        let bad: Result<()> = stages.run("bad", || anyhow::bail!("no"));
        assert!(bad.is_err());
        let table = stages.table();
        let last: Vec<&str> = table.lines().rev().take(3).collect();
        assert!(last[2].starts_with("ok") && last[2].ends_with("good"));
        assert!(last[1].starts_with("FAILED") && last[1].ends_with("bad"));
        assert!(last[0].starts_with("FAILED") && last[0].ends_with("all"));
    }
}
