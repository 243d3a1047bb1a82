//! What does tracer cost on this machine, and does that keep the goals? `cargo xtask bench`.
//!
//! A benchmark, not a test: a goal that is missed is said plainly, and the command succeeds all the same.

mod connects;
mod datagrams;
mod floor;
mod instructions;
mod kernel;
mod machine;
mod pairs;
pub mod process;
mod runs;
mod scrape;
mod sizes;
mod state_changes;
mod storm;
mod table;
mod throughput;
mod tracers;
mod user_side;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::build;
use crate::needs::Purpose;
use crate::setup::setup;
use crate::step;

#[derive(Args)]
pub struct Arguments {
    /// What to measure; without it, everything
    parts: Vec<Part>,
    /// Pairs of a run without and a run with the tracer, of which the median is taken
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=99))]
    pairs: u32,
    /// Three pairs and short waits: for a first impression
    #[arg(long)]
    quick: bool,
    /// Measure this binary instead of building one
    #[arg(long, value_name = "FILE")]
    tracer: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What a connect and close takes longer, beside tcplife
    Connects,
    /// The same where every destination is new
    NewDestinations,
    /// What a UDP datagram takes longer
    Datagrams,
    /// What a TCP segment takes longer, behind where names are looked for
    Segments,
    /// What is left of the throughput of a TCP stream
    Throughput,
    /// The kernel's own clock on the programs
    StateChanges,
    /// CPU and memory of the process, scrapes, start
    UserSide,
    /// The binary, and the kernel's memory
    Sizes,
    /// What the kernel does more, in instructions, on emulated machines
    Instructions,
}

/// In this time the kernel frees the tables of a tracer that has ended, on the processors that are measured.
const SETTLE: Duration = Duration::from_millis(100);

/// What all measurements need to know.
struct Bench {
    tracer: PathBuf,
    workload: PathBuf,
    tcplife: PathBuf,
    pairs: usize,
    quick: bool,
}

pub fn bench(arguments: &Arguments) -> Result<()> {
    if !step::is_root() {
        bail!("the benchmark loads programs into the kernel\nhint: run it as root");
    }
    setup(Purpose::Bench)?;
    let bench = Bench {
        workload: build_workload()?,
        tracer: match &arguments.tracer {
            Some(tracer) => tracer.clone(),
            None => build::build_static()?,
        },
        tcplife: crate::ebpf::find_program("tcplife").context("find tcplife")?,
        pairs: if arguments.quick {
            3
        } else {
            arguments.pairs as usize
        },
        quick: arguments.quick,
    };
    let wanted = |part: Part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    machine::describe()?;
    table::head();
    if wanted(Part::Connects) {
        connects::known(&bench)?;
    }
    if wanted(Part::NewDestinations) {
        connects::new(&bench)?;
    }
    if wanted(Part::Datagrams) {
        datagrams::datagrams(&bench)?;
    }
    if wanted(Part::Segments) {
        datagrams::segments(&bench)?;
    }
    if wanted(Part::Throughput) {
        throughput::throughput(&bench)?;
    }
    if wanted(Part::StateChanges) {
        state_changes::measure(&bench)?;
    }
    if wanted(Part::UserSide) {
        user_side::measure(&bench)?;
    }
    if wanted(Part::Sizes) {
        sizes::measure(&bench)?;
    }
    if wanted(Part::Instructions) {
        instructions::measure(&bench.tcplife)?;
    }
    Ok(())
}

/// The load generator of the live tests, optimised.
fn build_workload() -> Result<PathBuf> {
    // We are TARGET_DIR/debug/xtask.
    let own = env::current_exe().context("where this program lies")?;
    let target_dir = own.ancestors().nth(2).context("the target directory")?;
    step::finish(
        step::cargo(&[
            "build",
            "--release",
            "--package",
            "tracer",
            "--example",
            "workload",
            "--target-dir",
        ])
        .arg(target_dir),
    )?;
    Ok(target_dir.join("release/examples/workload"))
}
