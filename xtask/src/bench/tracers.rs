//! How are tracer, and the tool it is compared with, started and awaited?

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Bench;
use super::process::Guarded;
use super::scrape::{self, Answer};

const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is tried whether the tracer answers: what the figure of the start is exact to.
const RETRY: Duration = Duration::from_millis(1);
/// A wake-up of tcplife's reader at the least, so that it surely stands in its loop.
const SETTLE: Duration = Duration::from_millis(100);

/// A `tracer run` that has answered a scrape.
pub struct Tracer {
    process: Guarded,
    address: SocketAddr,
    /// From the start of the process to the first answer.
    pub start: Duration,
}

impl Tracer {
    pub fn start(bench: &Bench) -> Result<Self> {
        Self::start_with(bench, &[])
    }

    pub fn start_with(bench: &Bench, arguments: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(&bench.tracer);
        command
            .args(["run", "--log", "error", "--listen", &address.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let start = Instant::now();
        let mut process = Guarded::start(&mut command)?;
        loop {
            if scrape::scrape(address).is_ok() {
                return Ok(Self {
                    start: start.elapsed(),
                    process,
                    address,
                });
            }
            process.check().context("tracer run")?;
            if start.elapsed() > PATIENCE {
                bail!("tracer run does not answer on {address}");
            }
            thread::sleep(RETRY);
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn scrape(&self) -> Result<Answer> {
        scrape::scrape(self.address)
    }
}

/// libbpf-tools' tcplife, attached, its lines thrown away.
pub fn tcplife(bench: &Bench) -> Result<Guarded> {
    let mut command = Command::new("unshare");
    command
        // It asks tracefs for the tracepoint's number. Where that is not mounted, it is mounted for tcplife alone.
        .args(["--mount", "sh", "-c"])
        .arg(
            "[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing; exec \"$0\"",
        )
        .arg(&bench.tcplife)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut process = Guarded::start(&mut command)?;
    let start = Instant::now();
    // Its last step: opening the buffers it reads from, one a processor, after it has attached.
    while !has_open(process.id(), "bpf_link") {
        process.check().context("tcplife")?;
        if start.elapsed() > PATIENCE {
            bail!("tcplife does not attach");
        }
        thread::sleep(RETRY);
    }
    thread::sleep(SETTLE);
    process.check().context("tcplife")?;
    Ok(process)
}

fn has_open(process: u32, kind: &str) -> bool {
    let entries = fs::read_dir(format!("/proc/{process}/fd"));
    entries.into_iter().flatten().flatten().any(|entry| {
        fs::read_link(entry.path())
            .is_ok_and(|target| target.as_os_str() == OsStr::new(&format!("anon_inode:{kind}")))
    })
}

/// A port that was free a moment ago: it must be known before the tracer starts, to be tried from the first moment on.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    listener.local_addr().context("find a free port")
}
