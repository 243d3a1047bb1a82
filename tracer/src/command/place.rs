//! Where the tracer is asked: the places are taken before the hooks are there, and listened at when they are.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};
use tokio::net::{TcpListener, TcpSocket};

/// Clients that may wait to be taken; as many as the standard library lets wait.
const BACKLOG: u32 = 128;

/// A socket with that address, which does not listen yet: who contacts it before the hooks are there would be nobody's.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let make = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A tracer that was just stopped does not keep its place from the next one.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    };
    make().map_err(|error| not_listening(address, &error))
}

/// Needs the event loop.
pub fn listen(socket: TcpSocket) -> anyhow::Result<TcpListener> {
    let address = socket.local_addr().context("the address served on")?;
    let listener = socket
        .listen(BACKLOG)
        .map_err(|error| not_listening(address, &error))?;
    eprintln!("metrics: http://{address}/metrics");
    Ok(listener)
}

fn not_listening(address: SocketAddr, error: &std::io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program (another tracer?) has it; take another one with --listen"
        }
        _ => "take another address with --listen",
    };
    anyhow!("listen on {address}: {error}\nhint: {hint}")
}
