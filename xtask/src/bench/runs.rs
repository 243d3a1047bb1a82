//! How long do programs run, by the kernel's own clock?
//!
//! It is read before and after each run, which takes as long for an empty program at the same hook: the difference is the program's.

use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};

use super::floor::{WORDS, bpf};

/// `BPF_ENABLE_STATS` (include/uapi/linux/bpf.h), since 5.8; the type of the only ones there are is 0.
const BPF_ENABLE_STATS: libc::c_long = 32;

/// The kernel measures as long as it lives.
pub struct Clock(#[expect(dead_code, reason = "held open")] OwnedFd);

impl Clock {
    pub fn start() -> Result<Self> {
        let clock = bpf(BPF_ENABLE_STATS, &[0; WORDS]);
        Ok(Self(clock.context("have the kernel measure programs")?))
    }
}

/// Runs of programs, and the nanoseconds that they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub count: u64,
    pub nanoseconds: u64,
}

impl Runs {
    /// Those of all programs of a type that a process holds.
    pub fn of(process: u32, kind: u32) -> Result<Self> {
        let mut all = Self::default();
        let folder = format!("/proc/{process}/fdinfo");
        for entry in fs::read_dir(&folder).with_context(|| format!("read {folder}"))? {
            // A descriptor may be closed meanwhile.
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            if let Some(one) = Self::in_text(&text, kind) {
                all.count += one.count;
                all.nanoseconds += one.nanoseconds;
            }
        }
        Ok(all)
    }

    fn in_text(text: &str, kind: u32) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(":\t"));
            lines.find_map(|(field, value)| {
                (field == name).then(|| value.trim().parse::<u64>().ok())?
            })
        };
        (field("prog_type")? == u64::from(kind)).then_some(Self {
            count: field("run_cnt")?,
            nanoseconds: field("run_time_ns")?,
        })
    }

    /// Nanoseconds a run, of those since `before`; `None` where there were none.
    pub fn each_since(self, before: Self) -> Option<f64> {
        let count = self
            .count
            .checked_sub(before.count)
            .filter(|count| *count > 0)?;
        Some((self.nanoseconds - before.nanoseconds) as f64 / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "pos:\t0\nflags:\t02000002\nprog_type:\t8\nprog_jited:\t1\nrun_time_ns:\t4500\nrun_cnt:\t100\n";

    #[test]
    fn runs_are_read_of_programs_of_that_type_alone() {
        let runs = Runs {
            count: 100,
            nanoseconds: 4500,
        };
        assert_eq!(Runs::in_text(TEXT, 8), Some(runs));
        assert_eq!(Runs::in_text(TEXT, 9), None);
        assert_eq!(Runs::in_text("pos:\t0\nmap_type:\t1\n", 8), None);
    }

    #[test]
    fn a_run_takes_what_all_since_took_on_average() {
        let runs = |count, nanoseconds| Runs { count, nanoseconds };
        assert_eq!(runs(30, 900).each_since(runs(10, 100)), Some(40.0));
        assert_eq!(runs(10, 100).each_since(runs(10, 100)), None);
    }
}
