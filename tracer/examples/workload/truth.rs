//! What really happened, and its JSON line.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// What one or more connections to one destination did. Bytes are payload, the header included.
#[derive(Default)]
pub struct Truth {
    /// Connects that sent a SYN: established and failed together.
    pub connections: u64,
    pub established: u64,
    pub failed: BTreeMap<String, u64>,
    pub sent: u64,
    pub received: u64,
    /// Connects for which the kernel had no source port: no SYN left, and they are not in `connections`.
    pub without_port: u64,
    /// Connections whose SYN brought data to the server; told only when there are any.
    pub data_in_syn: u64,
}

impl Truth {
    pub fn establish(&mut self) {
        self.connections += 1;
        self.established += 1;
    }

    pub fn fail(&mut self, how: &str) {
        self.connections += 1;
        *self.failed.entry(how.to_owned()).or_default() += 1;
    }

    /// A contact that is begun by what left, and not answered yet.
    pub fn begin(&mut self) {
        self.connections += 1;
    }

    /// A failure that opens no contact by itself.
    pub fn note(&mut self, how: &str, times: u64) {
        *self.failed.entry(how.to_owned()).or_default() += times;
    }

    pub fn add(&mut self, other: &Truth) {
        self.connections += other.connections;
        self.established += other.established;
        self.sent += other.sent;
        self.received += other.received;
        self.without_port += other.without_port;
        self.data_in_syn += other.data_in_syn;
        for (how, count) in &other.failed {
            *self.failed.entry(how.clone()).or_default() += count;
        }
    }

    pub fn line(&self, to: SocketAddr) -> Value {
        let mut line = json!({
            // A v4-mapped address is the v4 destination: what the user knows it as.
            "destination": to.ip().to_canonical().to_string(),
            "port": to.port(),
            "connections": self.connections,
            "established": self.established,
            "failed": self.failed,
            "sent": self.sent,
            "received": self.received,
            "without_port": self.without_port,
        });
        if self.data_in_syn > 0 {
            line["data_in_syn"] = self.data_in_syn.into();
        }
        line
    }

    /// The reverse of `line`, for a forked child's line on its way to the parent.
    pub fn from_line(line: &[u8]) -> Result<Self> {
        let value: Value =
            serde_json::from_slice(line).context("a child ended without its truth")?;
        let count = |name: &str| {
            value[name]
                .as_u64()
                .with_context(|| format!("{name} is missing"))
        };
        Ok(Self {
            connections: count("connections")?,
            established: count("established")?,
            failed: value["failed"]
                .as_object()
                .context("failed is missing")?
                .iter()
                .map(|(how, count)| (how.clone(), count.as_u64().unwrap_or_default()))
                .collect(),
            sent: count("sent")?,
            received: count("received")?,
            without_port: count("without_port")?,
            data_in_syn: value["data_in_syn"].as_u64().unwrap_or_default(),
        })
    }

    pub fn print(&self, to: SocketAddr) {
        print(&self.line(to));
    }

    /// The line with what only this kind of traffic has.
    pub fn print_with(&self, to: SocketAddr, more: Value) {
        let mut line = self.line(to);
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        print(&line);
    }
}

#[expect(clippy::print_stdout, reason = "the truth is this program's data")]
fn print(line: &Value) {
    println!("{line}");
}

/// What a failed connect is called in `failed`.
pub fn failure(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => "refused".to_owned(),
        Some(libc::ETIMEDOUT) => "timed-out".to_owned(),
        Some(libc::EHOSTUNREACH | libc::ENETUNREACH) => "unreachable".to_owned(),
        Some(libc::ECONNRESET) => "reset".to_owned(),
        Some(other) => format!("error-{other}"),
        None => "error".to_owned(),
    }
}
