//! `reborn`: programs that one after the other get the same process number.

use std::ffi::CString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::kernel::checked;

/// Until a stranger who has the number now may be gone.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Args)]
pub struct Reborn {
    #[arg(long)]
    pub to: SocketAddr,
    /// How often each of the programs runs
    #[arg(long)]
    pub times: u64,
    /// Copies of this program, run in turns
    #[arg(long, num_args = 1.., required = true)]
    pub programs: Vec<PathBuf>,
}

pub fn run(arguments: &Reborn) -> Result<()> {
    let to = CString::new(arguments.to.to_string()).context("the address")?;
    let programs: Vec<CString> = arguments
        .programs
        .iter()
        .map(|program| CString::new(program.as_os_str().as_bytes()))
        .collect::<Result<_, _>>()
        .context("a program's path")?;
    // The kernel chooses the first.
    let mut number = None;
    for _ in 0..arguments.times {
        for program in &programs {
            number = Some(start(program, &to, number)?);
        }
    }
    Ok(())
}

/// Runs `program once to` to its end, as process `wanted`. Returns its number.
fn start(program: &CString, to: &CString, wanted: Option<libc::pid_t>) -> Result<libc::pid_t> {
    let words = [
        program.as_ptr(),
        c"once".as_ptr(),
        to.as_ptr(),
        std::ptr::null(),
    ];
    let child = loop {
        match fork_as(wanted) {
            Ok(0) => {
                // SAFETY: the words are C strings, and a null ends them.
                unsafe { libc::execv(program.as_ptr(), words.as_ptr()) };
                // SAFETY: ends the child, which could not become the program.
                unsafe { libc::_exit(127) };
            }
            Ok(child) => break child,
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => sleep(PAUSE),
            Err(error) => {
                return Err(error)
                    .context("clone3\nhint: to choose a number needs root, and Linux 5.5");
            }
        }
    };
    let mut status = 0;
    // SAFETY: the kernel writes one status.
    checked(unsafe { libc::waitpid(child, &raw mut status, 0) }).context("wait for a process")?;
    ensure!(status == 0, "a process ended with status {status:#x}");
    Ok(child)
}

/// As `fork(2)`, with a number of our choice (`clone3(2)`, `set_tid` since 5.5).
fn fork_as(wanted: Option<libc::pid_t>) -> io::Result<libc::pid_t> {
    // SAFETY: it is all integers, for which zero means that nothing is asked for.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(wanted) = &wanted {
        arguments.set_tid = std::ptr::from_ref(wanted) as u64;
        arguments.set_tid_size = 1;
    }
    // SAFETY: without CLONE_VM the child has memory of its own, and there is one thread.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    };
    checked(answer as libc::c_int)
}
