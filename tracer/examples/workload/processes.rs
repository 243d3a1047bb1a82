//! `processes` and `once`: many processes that live for one connection each.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::{io, thread};

use anyhow::{Context, Result};

use crate::arguments::Processes;
use crate::connect::share;
use crate::truth::{Truth, failure};
use crate::{kernel, socket};

/// Not an errno: the process was called or ended in another way than meant.
const MISUSED: u8 = 255;
/// A single connect of `once` has this many seconds.
const PATIENCE: u32 = 30;

/// Connects, resets, says nothing; the exit code is the errno of the connect.
pub fn once(to: Option<&str>) -> ExitCode {
    kernel::end_after(PATIENCE);
    let Some(Ok(to)) = to.map(str::parse::<SocketAddr>) else {
        eprintln!("usage: workload once ADDRESS:PORT");
        return MISUSED.into();
    };
    let connected = socket::open(to).and_then(|opened| {
        socket::connect(&opened, to)?;
        socket::reset_on_close(&opened).map_err(io::Error::other)
    });
    match connected {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error
            .raw_os_error()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(MISUSED)
            .into(),
    }
}

pub fn run(arguments: &Processes) -> Result<()> {
    // The path itself: a process started as /proc/self/exe would be called `exe`.
    let program = std::env::current_exe().context("find this program")?;
    let truth = thread::scope(|scope| {
        let running: Vec<_> = (0..arguments.parallel)
            .map(|index| {
                let times = share(arguments.times, index, arguments.parallel);
                let program = &program;
                scope.spawn(move || start_each(program, arguments.to, times))
            })
            .collect();
        let mut truth = Truth::default();
        for thread in running {
            truth.add(&thread.join().expect("starting processes does not panic")?);
        }
        anyhow::Ok(truth)
    })?;
    truth.print(arguments.to);
    Ok(())
}

fn start_each(program: &Path, to: SocketAddr, times: u64) -> Result<Truth> {
    let mut truth = Truth::default();
    let to = to.to_string();
    for _ in 0..times {
        // std takes posix_spawn for this.
        let status = Command::new(program)
            .args(["once", &to])
            .stdin(Stdio::null())
            .status()
            .context("start a process")?;
        match status.code() {
            Some(0) => truth.establish(),
            Some(code) if code != i32::from(MISUSED) => {
                truth.fail(&failure(&io::Error::from_raw_os_error(code)));
            }
            _ => anyhow::bail!("a process ended with {status}"),
        }
    }
    Ok(truth)
}
