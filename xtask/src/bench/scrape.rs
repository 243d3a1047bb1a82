//! How long does one scrape take, and what is in it?

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(30);

/// What `/metrics` said.
pub struct Answer {
    text: String,
    /// From the connect to the last byte.
    pub wall: Duration,
}

pub fn scrape(address: SocketAddr) -> Result<Answer> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("connect to {address}"))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .context("set a timeout")?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        .context("ask for /metrics")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).context("read /metrics")?;
    let wall = start.elapsed();
    let text = String::from_utf8(bytes).context("read /metrics")?;
    ensure!(
        text.starts_with("HTTP/1.1 200 "),
        "/metrics answers {}",
        text.lines().next().unwrap_or("nothing")
    );
    Ok(Answer { text, wall })
}

impl Answer {
    /// Every family is the tracer's own or the process's. The marks of HTTP's chunks stand on lines of their own or cut a
    /// line in two, hence a little uncertain.
    pub fn series(&self) -> usize {
        let is_series = |line: &&str| line.starts_with("tracer_") || line.starts_with("process_");
        self.text.lines().filter(is_series).count()
    }

    pub fn length(&self) -> usize {
        self.text.len()
    }

    /// The sum of all series whose line begins so.
    pub fn sum(&self, beginning: &str) -> u64 {
        let of_it = self.text.lines().filter(|line| line.starts_with(beginning));
        let value = |line: &str| line.rsplit_once(' ')?.1.parse::<u64>().ok();
        of_it.filter_map(value).sum()
    }

    /// Destinations of apps, each in one direction and over one protocol; as uncertain.
    pub fn rows(&self) -> u64 {
        let is_row = |line: &&str| line.starts_with("tracer_connections_total{");
        self.text.lines().filter(is_row).count() as u64
    }
}
