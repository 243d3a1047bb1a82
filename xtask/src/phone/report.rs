//! What does the tracer on the phone say?

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The longest that an answer takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most that is read of one.
const MOST: u64 = 64 << 20;

/// The body of an answer to a plain request, to a port of this machine.
pub fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE)).context("connect")?;
    // With 1.0 the answer comes in one piece, and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").context("ask")?;
    let mut answer = Vec::new();
    stream
        .take(MOST)
        .read_to_end(&mut answer)
        .context("read the answer")?;
    let answer = String::from_utf8(answer).context("the answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    ensure!(
        head.split(' ').nth(1) == Some("200"),
        "{}",
        head.lines().next().unwrap_or_default()
    );
    Ok(body.to_owned())
}

/// What a scrape says of the contacts of one app.
pub fn of_app(port: u16, app: &str) -> Result<Vec<String>> {
    let label = format!("app=\"{app}\"");
    let families = [
        "tracer_connections_total{",
        "tracer_sent_bytes_total{",
        "tracer_received_bytes_total{",
    ];
    Ok(get(port, "/metrics")?
        .lines()
        .filter(|line| families.iter().any(|family| line.starts_with(family)))
        .filter(|line| line.contains(&label))
        .map(str::to_owned)
        .collect())
}
