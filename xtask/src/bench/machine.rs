//! On what machine is this, and is it free for a measurement?

use std::fs;
use std::thread::{self, available_parallelism};
use std::time::Duration;

use anyhow::{Context, Result};

use super::process;
use super::table;

/// More than this share of all processors taken by others spoils the figures.
const QUIET: f64 = 0.05;

pub fn describe() -> Result<()> {
    let read = |path| fs::read_to_string(path).with_context(|| format!("read {path}"));
    let release = read("/proc/sys/kernel/osrelease")?;
    let information = read("/proc/cpuinfo")?;
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown model", |rest| {
            rest.trim_start_matches(['\t', ':', ' '])
        });
    table::fact(&format!(
        "Linux {}, {}, {} processors ({model})",
        release.trim(),
        std::env::consts::ARCH,
        available_parallelism().context("count processors")?
    ));
    let before = Busy::now()?;
    thread::sleep(Duration::from_secs(1));
    let share = before.share_since(0)?;
    table::fact(&format!(
        "taken by others before the start: {:.0} % of all processors{}",
        100.0 * share,
        if share > QUIET {
            "; NOT QUIET, the figures are worth less"
        } else {
            ""
        }
    ));
    let others = process::named(&["tracer", "tcplife"]);
    if !others.is_empty() {
        table::fact(&format!(
            "other tracers are running (processes {others:?}): the runs without a tracer have one all the same"
        ));
    }
    Ok(())
}

/// What all processors did so far, in ticks.
pub struct Busy {
    busy: u64,
    all: u64,
}

impl Busy {
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
        let first = text.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        let ticks: Vec<u64> = first
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let all: u64 = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self {
            busy: all - idle,
            all,
        })
    }

    /// The share of all processors that others than we took since, where we took `own_ns`.
    pub fn share_since(&self, own_ns: u64) -> Result<f64> {
        let now = Self::now()?;
        let own = own_ns as f64 * 1e-9 * process::ticks_a_second();
        let others = (now.busy - self.busy) as f64 - own;
        Ok((others / (now.all - self.all).max(1) as f64).max(0.0))
    }
}
