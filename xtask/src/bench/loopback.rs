//! What does a datagram take longer, and how fast is a stream, while the tracer counts both ends?
//!
//! A run is too short for the machine to change much meanwhile, and what it changes is compensated: each figure is of
//! four runs, without, with, with and without the tracer, of which the outer two are compared with the inner two.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::floor::Floor;
use super::pairs::median;
use super::table;
use super::tracers::Tracer;
use super::{Bench, process};

/// Goal, in microseconds: what a datagram may take longer at each of its ends.
const DATAGRAM: f64 = 0.15;
/// Goal, in per cent: what is left of the throughput.
const THROUGHPUT: f64 = 99.0;
/// In this time the kernel frees the tables of a tracer that has ended, on the processors that are measured.
const SETTLE: Duration = Duration::from_millis(100);
/// A stream's throughput changes by more than the goal from run to run, so that it takes more of them.
const STREAMS_FOR_EACH_PAIR: usize = 5;

/// Who watches in the inner two of four runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    /// Nobody: what is measured then is noise.
    Nobody,
    /// Programs that do nothing.
    Floor,
    Tracer,
}

impl Watcher {
    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nothing (noise)",
            Self::Floor => "empty programs (floor)",
            Self::Tracer => "tracer",
        }
    }

    /// Watches until what is returned is dropped.
    fn begin(self, bench: &Bench) -> Result<(Option<Floor>, Option<Tracer>)> {
        Ok(match self {
            Self::Nobody => (None, None),
            Self::Floor => (Some(Floor::attach()?), None),
            Self::Tracer => (None, Some(Tracer::start(bench)?)),
        })
    }
}

/// What each pair of runs without and with a watcher took.
type Pairs = Vec<(f64, f64)>;

/// One socket sends to another, which takes it.
struct Run {
    protocol: &'static str,
    times: u64,
    bytes: u64,
}

impl Run {
    /// Nanoseconds from the first to the last byte; of datagrams, those on a processor.
    fn run(&self, bench: &Bench) -> Result<f64> {
        let mut command = Command::new(&bench.workload);
        command
            .args(["--deadline", "60", "loopback", "--protocol", self.protocol])
            .args(["--times", &self.times.to_string()])
            .args(["--bytes", &self.bytes.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        let output = process::die_with_us(&mut command)
            .output()
            .context("start the load generator")?;
        let said = String::from_utf8(output.stdout).context("what the load generator says")?;
        let number = said.trim().strip_prefix(r#"{"nanoseconds":"#);
        number
            .and_then(|rest| rest.strip_suffix('}')?.parse().ok())
            .with_context(|| format!("the load generator ended with {}", output.status))
    }

    /// Mean of both runs without, and of both with the watcher.
    fn compare(&self, bench: &Bench, watcher: Watcher) -> Result<(f64, f64)> {
        let before = self.run(bench)?;
        let watching = watcher.begin(bench)?;
        let with = f64::midpoint(self.run(bench)?, self.run(bench)?);
        drop(watching);
        if watcher == Watcher::Tracer {
            thread::sleep(SETTLE);
        }
        Ok((f64::midpoint(before, self.run(bench)?), with))
    }

    /// The first run finds caches and the processor's clock cold. The others go in turns, so that all see the same
    /// machine.
    fn compare_all(
        &self,
        bench: &Bench,
        times: usize,
        watchers: &[Watcher],
    ) -> Result<Vec<(Watcher, Pairs)>> {
        self.run(bench)?;
        let mut all: Vec<_> = watchers
            .iter()
            .map(|watcher| (*watcher, Vec::new()))
            .collect();
        for _ in 0..times {
            for (watcher, pairs) in &mut all {
                pairs.push(self.compare(bench, *watcher)?);
            }
        }
        Ok(all)
    }
}

/// Each datagram has two ends, and both are here.
pub fn datagrams(bench: &Bench) -> Result<()> {
    let run = Run {
        protocol: "udp",
        times: if bench.quick { 50_000 } else { 200_000 },
        bytes: 100,
    };
    let micro = |nanoseconds: f64| nanoseconds / 1000.0 / run.times as f64;
    let watchers = [Watcher::Nobody, Watcher::Floor, Watcher::Tracer];
    for (watcher, pairs) in run.compare_all(bench, bench.pairs, &watchers)? {
        let who = watcher.name();
        let (added, note) = figure(&pairs, |(without, with)| micro(with - without) / 2.0);
        let base = median(pairs.iter().map(|(without, _)| micro(*without)).collect());
        let what = format!("added per UDP datagram and end, {who}");
        let note = format!("{note}; a datagram takes {base:.2} µs untraced");
        if watcher == Watcher::Tracer {
            table::judged(&what, added, DATAGRAM, "µs", &note);
        } else {
            table::figure(&what, added, "µs", &note);
        }
    }
    Ok(())
}

/// Sender and receiver stay on a processor each, where there are two.
pub fn throughput(bench: &Bench) -> Result<()> {
    let run = Run {
        protocol: "tcp",
        times: if bench.quick { 4_000 } else { 8_000 },
        bytes: 256 << 10,
    };
    let pairs = bench.pairs * STREAMS_FOR_EACH_PAIR;
    let watchers = [Watcher::Nobody, Watcher::Tracer];
    for (watcher, pairs) in run.compare_all(bench, pairs, &watchers)? {
        let who = watcher.name();
        let (left, note) = figure(&pairs, |(without, with)| 100.0 * without / with);
        let rate = |without: f64| (run.times * run.bytes) as f64 / without;
        let base = median(pairs.iter().map(|(without, _)| rate(*without)).collect());
        let what = format!("TCP throughput over loopback, {who}");
        let note = format!("{note}; {base:.2} GB/s untraced");
        if watcher == Watcher::Tracer {
            table::judged_at_least(&what, left, THROUGHPUT, "%", &note);
        } else {
            table::figure(&what, left, "%", &note);
        }
    }
    Ok(())
}

/// The median, and between what the middle half of all lies.
fn figure(pairs: &[(f64, f64)], of: impl Fn((f64, f64)) -> f64) -> (f64, String) {
    let mut values: Vec<f64> = pairs.iter().copied().map(of).collect();
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let note = match (
        values.get(quarter),
        values.get((values.len() - quarter).wrapping_sub(1)),
    ) {
        (Some(low), Some(high)) => format!("[{low:.2}..{high:.2}]"),
        _ => String::new(),
    };
    (median(values), note)
}
