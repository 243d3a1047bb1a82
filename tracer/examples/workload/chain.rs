//! `exec-chain`: one process that is several programs, one after the other.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::arguments::ExecChain;
use crate::session::attempt;
use crate::truth::Truth;

/// Each program of the chain prints its own line before it execs the next.
pub fn run(arguments: &ExecChain, deadline: u32) -> Result<()> {
    let mut truth = Truth::default();
    drop(attempt(arguments.to, &mut truth)?);
    truth.print(arguments.to);
    let Some((next, rest)) = arguments.programs.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(next);
    command.arg("--deadline").arg(deadline.to_string());
    command
        .arg("exec-chain")
        .arg("--to")
        .arg(arguments.to.to_string());
    if !rest.is_empty() {
        command.arg("--as").args(rest);
    }
    // Comes back only when it failed.
    Err(command.exec()).with_context(|| format!("exec {}", next.display()))
}
