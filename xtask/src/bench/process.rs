//! How are our child processes ended, and what does the kernel say of them?

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a child may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Makes the child of `command` die with us, whatever ends us.
pub fn die_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: prctl is async-signal-safe and takes numbers here.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        })
    }
}

/// A child process that ends with this value.
pub struct Guarded(Child);

impl Guarded {
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = die_with_us(command)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard input and output, where both are pipes, the first time they are asked for.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.0.stdin.take()?, self.0.stdout.take()?))
    }

    /// Fails where the child has ended already.
    pub fn check(&mut self) -> Result<()> {
        match self.0.try_wait().context("wait for a child")? {
            None => Ok(()),
            Some(status) => bail!("a child ended early: {status}"),
        }
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: takes numbers. The child was not waited for, so its number is still its own.
        unsafe { libc::kill(self.0.id().cast_signed(), signal) };
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.signal(libc::SIGTERM);
        // One that was stopped does not even end without this.
        self.signal(libc::SIGCONT);
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process used so far.
#[derive(Clone, Copy)]
pub struct Usage {
    pub cpu_ns: u64,
    /// Times it gave up a processor, or lost it.
    pub switches: u64,
    pub resident: u64,
    /// The most that was ever resident, since [`forget_peak`].
    pub peak: u64,
}

pub fn usage(process: u32) -> Result<Usage> {
    let text = read(format!("/proc/{process}/status"))?;
    let status = |name| number_after(&text, name);
    Ok(Usage {
        cpu_ns: cpu_ns(process)?,
        switches: status("voluntary_ctxt_switches:")? + status("nonvoluntary_ctxt_switches:")?,
        resident: status("VmRSS:")? * 1024,
        peak: status("VmHWM:")? * 1024,
    })
}

/// Time on a processor, of all threads.
pub fn cpu_ns(process: u32) -> Result<u64> {
    let mut sum = 0;
    let folder = format!("/proc/{process}/task");
    for thread in fs::read_dir(&folder).with_context(|| format!("read {folder}"))? {
        // Exact to the nanosecond, where utime and stime count in hundredths of a second.
        let text = read(thread.context("a thread")?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().unwrap_or_default();
        sum += first.parse::<u64>().context("schedstat")?;
    }
    Ok(sum)
}

/// Lets the peak of resident memory begin anew.
pub fn forget_peak(process: u32) -> Result<()> {
    let path = format!("/proc/{process}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("write {path}"))
}

/// The lines about each file that a process has open, one text a file.
pub fn open_files(process: u32) -> Result<Vec<String>> {
    let folder = format!("/proc/{process}/fdinfo");
    let entries = fs::read_dir(&folder).with_context(|| format!("read {folder}"))?;
    // A file may be closed meanwhile.
    Ok(entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .collect())
}

/// The number on the line of `text` that begins with `name`.
pub fn number_after(text: &str, name: &str) -> Result<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{name} is missing"))
}

/// Processes with one of these names.
pub fn named(names: &[&str]) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            fs::read_to_string(entry.path().join("comm"))
                .is_ok_and(|name| names.contains(&name.trim()))
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The unit of /proc/stat.
pub fn ticks_a_second() -> f64 {
    // SAFETY: takes a number and touches no memory.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks as f64
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}
