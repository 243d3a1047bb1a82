//! How long does the kernel side run at each change of a TCP socket's state, by the kernel's own clock?

use anyhow::Result;

use super::Bench;
use super::kernel::{Runs, Statistics, runs};
use super::pairs::median;
use super::storm::Storm;
use super::table;
use super::tracers::Tracer;

/// Nanoseconds for one run of `tcp_life`, on average.
const GOAL: f64 = 120.0;

pub fn measure(bench: &Bench) -> Result<()> {
    let storm = Storm {
        threads: 1,
        connections: 100_000,
        destinations: 0,
    };
    let tracer = Tracer::start(bench)?;
    let statistics = Statistics::begin()?;
    storm.run(bench)?;
    let (mut life, mut end) = (Vec::new(), Vec::new());
    for _ in 0..bench.pairs {
        let before = both(&tracer)?;
        storm.run(bench)?;
        let after = both(&tracer)?;
        life.push(since(before.0, after.0));
        end.push(since(before.1, after.1));
    }
    drop(statistics);
    let of = |figures: &[(f64, f64)]| {
        let counts = figures.iter().map(|figure| figure.0).collect();
        let times = figures.iter().map(|figure| figure.1).collect();
        (median(counts) / storm.connections as f64, median(times))
    };
    let ((life_runs, life_ns), (end_runs, end_ns)) = (of(&life), of(&end));
    table::judged(
        "tcp_life, one run",
        life_ns,
        GOAL,
        "ns",
        &format!(
            "{life_runs:.2} runs a connection; about 34 ns are the kernel's reading of its clock"
        ),
    );
    table::figure(
        "tcp_end, one run",
        end_ns,
        "ns",
        &format!("{end_runs:.2} runs a connection"),
    );
    table::figure(
        "both, one connect+close",
        life_runs * life_ns + end_runs * end_ns,
        "ns",
        "",
    );
    Ok(())
}

fn both(tracer: &Tracer) -> Result<(Runs, Runs)> {
    let of = |tracepoint| runs(tracer.id(), tracepoint);
    Ok((of("inet_sock_set_state")?, of("tcp_destroy_sock")?))
}

/// Runs, and nanoseconds of one.
fn since(before: Runs, after: Runs) -> (f64, f64) {
    let count = (after.count - before.count) as f64;
    (
        count,
        (after.nanoseconds - before.nanoseconds) as f64 / count.max(1.0),
    )
}
