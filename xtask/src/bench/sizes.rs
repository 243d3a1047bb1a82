//! How large is the binary, and what do the maps take in the kernel?

use std::fs;

use anyhow::{Context, Result};

use super::Bench;
use super::kernel::{all_maps, destinations};
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
    let map = destinations(tracer.id())?;
    table::judged(
        "kernel memory a destination",
        map.bytes as f64 / map.entries as f64,
        160.0,
        "B",
        &format!(
            "{:.1} MB for {} entries",
            map.bytes as f64 / 1e6,
            map.entries
        ),
    );
    table::figure(
        "kernel memory of all maps",
        all_maps(tracer.id())? as f64 / 1e6,
        "MB",
        "",
    );
    Ok(())
}
