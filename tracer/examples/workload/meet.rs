//! `meet`: two sockets that connect to each other at the same time, or one that connects to itself. Nobody listens.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::truth::Truth;
use crate::{kernel, message, socket};

#[derive(Args)]
pub struct Meet {
    #[arg(long)]
    pub one: SocketAddr,
    /// The same address, for one socket that meets itself
    #[arg(long)]
    pub other: SocketAddr,
    /// Over UDP
    #[arg(long)]
    pub udp: bool,
    /// Bytes that each sends
    #[arg(long, default_value_t = 1000)]
    pub bytes: usize,
}

const PATIENCE: u64 = 20;

pub fn run(arguments: &Meet) -> Result<()> {
    let (one, other) = (arguments.one, arguments.other);
    let mut ends = vec![(open(arguments, one)?, other)];
    if one != other {
        ends.push((open(arguments, other)?, one));
    }
    // Neither waits for its answer, so the SYNs cross each other on a slow line.
    for (socket, to) in &ends {
        let begun = socket::connect(socket, *to);
        let is_under_way = |error: &io::Error| error.raw_os_error() == Some(libc::EINPROGRESS);
        ensure!(
            begun.as_ref().map_or_else(is_under_way, |()| true),
            "connect to {to}: {begun:?}"
        );
    }
    for (socket, _) in &ends {
        await_connected(socket)?;
    }
    let payload = vec![b'.'; arguments.bytes];
    for (socket, to) in &ends {
        let sent = message::send(socket, &payload, None, 0).context("send")?;
        ensure!(
            sent as usize == payload.len(),
            "{sent} bytes were taken for {to}"
        );
    }
    for (socket, _) in &ends {
        let mut left = payload.len();
        while left > 0 {
            let mut buffer = vec![0; left];
            left -= message::receive(socket, &mut buffer, 0).context("receive")? as usize;
        }
    }
    for (_, to) in &ends {
        let mut truth = Truth::default();
        truth.establish();
        truth.sent = payload.len() as u64;
        truth.received = payload.len() as u64;
        truth.print(*to);
    }
    Ok(())
}

fn open(arguments: &Meet, address: SocketAddr) -> Result<OwnedFd> {
    let kind = if arguments.udp {
        libc::SOCK_DGRAM
    } else {
        libc::SOCK_STREAM
    };
    let socket = socket::open_as(socket::family(address.ip()), kind, 0)?;
    socket::bind(&socket, address)?;
    set_blocking(&socket, false)?;
    Ok(socket)
}

fn set_blocking(socket: &OwnedFd, blocking: bool) -> Result<()> {
    let flags = if blocking { 0 } else { libc::O_NONBLOCK };
    // SAFETY: no memory is involved.
    let set = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, flags) };
    ensure!(set == 0, "O_NONBLOCK: {}", io::Error::last_os_error());
    Ok(())
}

/// Waits until the handshake is complete; from then on calls wait.
fn await_connected(socket: &OwnedFd) -> Result<()> {
    let mut writable = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one of them.
    let ready = unsafe {
        libc::poll(
            &raw mut writable,
            1,
            kernel::patience(PATIENCE).as_millis() as libc::c_int,
        )
    };
    ensure!(
        ready == 1 && writable.revents == libc::POLLOUT,
        "not connected: {writable:?}"
    );
    set_blocking(socket, true)?;
    message::give_up_after(socket, kernel::patience(PATIENCE))
}
