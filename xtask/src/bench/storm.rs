//! How fast does the load generator connect and close, as a whole process?

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Bench;
use super::machine::Busy;
use super::process::{self, Guarded};

/// One run of the load generator: its own listener, loopback only, each connection ended by a reset.
#[derive(Clone, Copy)]
pub struct Storm {
    pub threads: u64,
    pub connections: u64,
    /// 0: one and the same.
    pub destinations: u64,
    /// Names that hellos of TLS say, in turns. 0: nothing is said.
    pub names: u64,
}

/// What one run took, per connection, in microseconds.
#[derive(Clone, Copy)]
pub struct Run {
    /// From the process's start to its end, times the number of threads.
    pub wall: f64,
    /// On a processor; without the time others took it away.
    pub cpu: f64,
    /// The share of all processors that was not ours meanwhile.
    pub others: f64,
}

impl Storm {
    pub fn run(self, bench: &Bench) -> Result<Run> {
        let mut command = self.command(bench);
        command.args(["--times", &self.connections.to_string()]);
        let busy = Busy::now()?;
        let start = Instant::now();
        let child = process::die_with_us(&mut command)
            .spawn()
            .context("start the load generator")?;
        let cpu_ns = wait(child.id())?;
        let wall_ns = start.elapsed().as_nanos() as u64;
        let share = |ns: u64| ns as f64 / 1000.0 / self.connections as f64;
        Ok(Run {
            wall: share(wall_ns * self.threads),
            cpu: share(cpu_ns),
            others: busy.share_since(cpu_ns)?,
        })
    }

    /// Goes on until the value is dropped.
    pub fn paced(self, bench: &Bench, a_second: Option<u64>) -> Result<Guarded> {
        let mut command = self.command(bench);
        command.args(["--seconds", "100"]);
        if let Some(pace) = a_second {
            command.args(["--pace", &pace.to_string()]);
        }
        Guarded::start(&mut command)
    }

    fn command(self, bench: &Bench) -> Command {
        let mut command = Command::new(&bench.workload);
        command
            // The kernel ends it with SIGALRM then.
            .args(["--deadline", "120", "storm"])
            .args(["--threads", &self.threads.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if self.destinations > 0 {
            command.args(["--destinations", &self.destinations.to_string()]);
        }
        if self.names > 0 {
            command.args(["--names", &self.names.to_string()]);
        }
        command
    }
}

/// Waits for a child's end; returns its time on processors.
fn wait(process: u32) -> Result<u64> {
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one int and one rusage.
    let waited = unsafe { libc::wait4(process.cast_signed(), &raw mut status, 0, &raw mut usage) };
    if waited < 0 {
        return Err(std::io::Error::last_os_error()).context("wait for the load generator");
    }
    if status != 0 {
        bail!("the load generator failed with status {status:#x}");
    }
    let nanoseconds = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec) as u64 * 1000;
    Ok(nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime))
}
