//! The event loop of one listening address.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Count;
use super::connection::{Connection, Progress};
use super::events::Events;

/// How soon the end is noticed when nothing happens.
const TICK_MILLISECONDS: i32 = 50;
/// After the end is asked for: connections that are still open get this long to end by themselves.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn serve(listener: &TcpListener, stop: &AtomicBool) -> Result<Count> {
    listener
        .set_nonblocking(true)
        .context("set the listener non-blocking")?;
    let events = Events::new()?;
    events.watch(listener.as_raw_fd())?;
    let mut count = Count::default();
    let mut connections = HashMap::new();
    let mut stopped = None;
    loop {
        let batch = events.wait(TICK_MILLISECONDS)?;
        if stop.load(Ordering::Relaxed) {
            let since = *stopped.get_or_insert_with(Instant::now);
            // A quiet tick after the request: whatever was connected before it has been accepted.
            if batch.is_empty() && (connections.is_empty() || since.elapsed() > PATIENCE) {
                return Ok(count);
            }
        }
        for event in batch {
            if event.descriptor == listener.as_raw_fd() {
                accept_all(listener, &events, &mut connections, &mut count)?;
            } else if let Some(connection) = connections.get_mut(&event.descriptor)
                && connection.advance(event.gone, &mut count) == Progress::Done
            {
                // Closing takes the descriptor out of epoll too.
                connections.remove(&event.descriptor);
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    events: &Events,
    connections: &mut HashMap<RawFd, Connection>,
    count: &mut Count,
) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                count.accepted += 1;
                let mut connection = Connection::new(stream)?;
                // Most connections of a storm are over by now, and need no place in epoll.
                if connection.advance(false, count) == Progress::Waiting {
                    events.watch(connection.descriptor())?;
                    connections.insert(connection.descriptor(), connection);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("accept"),
        }
    }
}
