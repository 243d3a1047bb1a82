//! How fast is a stream, while the tracer counts both ends?
//!
//! A run is too short for the machine to change much meanwhile, and what it changes is compensated: each figure is of
//! four runs, without, with, with and without the tracer, of which the outer two are compared with the inner two.

use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use super::pairs::{figure, median};
use super::table;
use super::tracers::Tracer;
use super::{Bench, SETTLE, process};

/// Goal, in per cent: what is left of the throughput.
const GOAL: f64 = 99.0;
/// A stream's throughput changes by more than the goal from run to run, so that it takes more of them.
const RUNS_FOR_EACH_PAIR: usize = 5;
/// Payload bytes of a write.
const BYTES: u64 = 256 << 10;

/// Nanoseconds from the first to the last byte of so many writes.
fn run(bench: &Bench, times: u64) -> Result<f64> {
    let mut command = Command::new(&bench.workload);
    command
        .args("--deadline 60 loopback --protocol tcp".split(' '))
        .args(["--times", &times.to_string()])
        .args(["--bytes", &BYTES.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = process::die_with_us(&mut command)
        .output()
        .context("start the load generator")?;
    let said = String::from_utf8(output.stdout).context("what the load generator says")?;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
    said["nanoseconds"]
        .as_f64()
        .with_context(|| format!("the load generator ended with {}", output.status))
}

/// Mean of both runs without, and of both with the tracer, if it `watches`.
fn compare(bench: &Bench, times: u64, watches: bool) -> Result<(f64, f64)> {
    let before = run(bench, times)?;
    let watching = watches.then(|| Tracer::start(bench)).transpose()?;
    let with = f64::midpoint(run(bench, times)?, run(bench, times)?);
    if watching.is_some() {
        drop(watching);
        thread::sleep(SETTLE);
    }
    Ok((f64::midpoint(before, run(bench, times)?), with))
}

/// Sender and receiver stay on a processor each, where there are two.
pub fn throughput(bench: &Bench) -> Result<()> {
    let times = if bench.quick { 4_000 } else { 8_000 };
    // The first run finds caches and the processor's clock cold. The others go in turns, so that all see the same machine.
    run(bench, times)?;
    let (mut noise, mut traced) = (Vec::new(), Vec::new());
    for _ in 0..bench.pairs * RUNS_FOR_EACH_PAIR {
        noise.push(compare(bench, times, false)?);
        traced.push(compare(bench, times, true)?);
    }
    for (who, pairs) in [("nothing (noise)", &noise), ("tracer", &traced)] {
        let (left, note) = figure(pairs, |(without, with)| 100.0 * without / with);
        let rate = |without: f64| (times * BYTES) as f64 / without;
        let base = median(pairs.iter().map(|(without, _)| rate(*without)).collect());
        let what = format!("TCP throughput over loopback, {who}");
        let note = format!("{note}; {base:.2} GB/s untraced");
        if who == "tracer" {
            table::judged_at_least(&what, left, GOAL, "%", &note);
        } else {
            table::figure(&what, left, "%", &note);
        }
    }
    Ok(())
}
