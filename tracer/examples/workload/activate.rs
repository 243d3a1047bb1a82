//! `activate`: listens, and leaves accepting to another program, which inherits the socket: socket activation.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::kernel::checked;
use crate::serve::INHERITED;
use crate::socket;

#[derive(Args)]
pub struct Activate {
    #[arg(long)]
    pub listen: SocketAddr,
    /// A copy of this program to accept with
    #[arg(long = "as")]
    pub program: PathBuf,
}

/// The other program says what it accepted, and ends when stdin closes.
pub fn run(arguments: &Activate) -> Result<()> {
    let listener = socket::listen(arguments.listen)?;
    let descriptor = listener.as_raw_fd();
    let mut command = Command::new(&arguments.program);
    command.args(["serve", "--inherited", "--until-stdin-closes"]);
    // SAFETY: dup2 and fcntl are plain system calls, which a forked child may make.
    unsafe {
        command.pre_exec(move || {
            // dup2 of a descriptor onto itself would leave it to be closed at the exec.
            if descriptor == INHERITED {
                checked(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
            } else {
                checked(libc::dup2(descriptor, INHERITED))?;
            }
            Ok(())
        });
    }
    let status = command
        .status()
        .with_context(|| format!("start {}", arguments.program.display()))?;
    ensure!(status.success(), "the other program ended with {status}");
    Ok(())
}
