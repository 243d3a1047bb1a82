//! How is tracer started from here, with the rights it needs?

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::ebpf;
use crate::step;

/// Becomes `tracer run`; returns only when that fails.
pub fn run(arguments: &[String]) -> Result<()> {
    let tracer = build::build(true)?;
    let mut command = if step::is_root() {
        Command::new(&tracer)
    } else if let Some(sudo) = ebpf::find_program("sudo") {
        eprintln!("tracer needs root: starting it through sudo");
        let mut command = Command::new(sudo);
        command.arg(&tracer);
        command
    } else {
        bail!(
            "tracer needs root, and there is no sudo\nhint: as root, run {} run",
            tracer.display()
        );
    };
    Err(command.arg("run").args(arguments).exec())
        .with_context(|| format!("start {}", tracer.display()))
}
