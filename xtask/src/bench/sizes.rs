//! How large is the binary, and what do the maps take in the kernel?

use std::fs;

use anyhow::{Context, Result};

use super::Bench;
use super::kernel::all_maps;
use super::table;
use super::tracers::Tracer;

pub fn measure(bench: &Bench) -> Result<()> {
    let binary = fs::metadata(&bench.tracer)
        .with_context(|| format!("the size of {}", bench.tracer.display()))?;
    table::judged(
        "static binary, stripped",
        binary.len() as f64 / 1e6,
        5.0,
        "MB",
        "",
    );
    let tracer = Tracer::start(bench)?;
    table::judged(
        "kernel memory of all maps at rest",
        all_maps(tracer.id())? as f64 / 1e6,
        12.0,
        "MB",
        "at most; from Linux 6.1 on those mostly empty take it as they are filled",
    );
    Ok(())
}
