//! How long does the kernel side run at each change of a TCP socket's state, by the kernel's own clock?

use anyhow::Result;

use super::Bench;
use super::kernel::{self, Runs, Statistics};
use super::pairs::median;
use super::storm::Storm;
use super::table;
use super::tracers::Tracer;

/// Nanoseconds for one run of `tcp_life`, on average.
const GOAL: f64 = 120.0;
/// The two at the one tracepoint, then that at the other.
const PROGRAMS: [&str; 3] = ["tcp_life", "tcp_nested", "tcp_end"];

pub fn measure(bench: &Bench) -> Result<()> {
    let storm = Storm {
        threads: 1,
        connections: 100_000,
        destinations: 0,
        names: 0,
    };
    let tracer = Tracer::start(bench)?;
    let statistics = Statistics::begin()?;
    storm.run(bench)?;
    let mut figures = [const { Vec::new() }; PROGRAMS.len()];
    for _ in 0..bench.pairs {
        let before = all(&tracer)?;
        storm.run(bench)?;
        let after = all(&tracer)?;
        for (figure, (before, after)) in figures.iter_mut().zip(before.into_iter().zip(after)) {
            figure.push(since(before, after));
        }
    }
    drop(statistics);
    let mut sum = 0.0;
    for (program, figures) in PROGRAMS.into_iter().zip(figures) {
        let (counts, times) = figures.into_iter().unzip();
        let (runs, ns) = (median(counts) / storm.connections as f64, median(times));
        let (what, note) = (
            format!("{program}, one run"),
            format!("{runs:.2} runs a connection"),
        );
        if program == "tcp_life" {
            let note = format!("{note}; about 34 ns are the kernel's reading of its clock");
            table::judged(&what, ns, GOAL, "ns", &note);
        } else {
            table::figure(&what, ns, "ns", &note);
        }
        sum += runs * ns;
    }
    table::figure("all, one connect+close", sum, "ns", "");
    Ok(())
}

/// In the order of [`PROGRAMS`].
fn all(tracer: &Tracer) -> Result<[Runs; PROGRAMS.len()]> {
    let mut all = [Runs::default(); PROGRAMS.len()];
    for (runs, program) in all.iter_mut().zip(PROGRAMS) {
        *runs = kernel::runs(tracer.id(), program)?;
    }
    Ok(all)
}

/// Runs, and nanoseconds of one.
fn since(before: Runs, after: Runs) -> (f64, f64) {
    let count = (after.count - before.count) as f64;
    (
        count,
        (after.nanoseconds - before.nanoseconds) as f64 / count.max(1.0),
    )
}
