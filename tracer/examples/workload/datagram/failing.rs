//! Sends that come to nothing, and those of a forked child.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail, ensure};

use super::client::{Client, Plan};
use super::{exchange, request};
use crate::kernel::{self, checked};
use crate::message;
use crate::truth::Truth;

/// How long the ICMP error may take, as poll(2) wants it.
const ERROR_MILLISECONDS: libc::c_int = 5000;

/// One datagram leaves, and the closed port's answer becomes the socket's error, which `take` takes: and again.
pub fn refused(
    client: &mut Client,
    plan: &Plan,
    truth: &mut Truth,
    take: fn(&OwnedFd, &[u8]) -> io::Result<()>,
) -> Result<()> {
    client.connect(plan.to)?;
    let payload = request::of(request::SINK, plan.bytes);
    for _ in 0..plan.times {
        let sent = message::send(&client.socket, &payload, None, 0).context("send")?;
        client.sent(1, sent);
        let mut wanted = libc::pollfd {
            fd: client.socket.as_raw_fd(),
            // POLLERR is told without being asked for.
            events: 0,
            revents: 0,
        };
        // SAFETY: the kernel reads and writes the one entry.
        let told = checked(unsafe { libc::poll(&raw mut wanted, 1, ERROR_MILLISECONDS) });
        ensure!(
            told.context("poll")? == 1,
            "{} does not refuse\nhint: off loopback ICMP errors are rationed, see net.ipv4.icmp_ratelimit",
            plan.to
        );
        match take(&client.socket, &payload) {
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {}
            Err(error) => return Err(error).context("take the socket's error"),
            Ok(()) => bail!("{} did not refuse", plan.to),
        }
    }
    truth.note("refused", 1);
    Ok(())
}

/// The next call fails with it.
pub fn send_again(socket: &OwnedFd, payload: &[u8]) -> io::Result<()> {
    message::send(socket, payload, None, 0).map(drop)
}

/// No call fails.
pub fn ask(socket: &OwnedFd, _: &[u8]) -> io::Result<()> {
    let mut error: libc::c_int = 0;
    let mut length = size_of_val(&error) as libc::socklen_t;
    // SAFETY: the kernel writes one int, and how long it is.
    checked(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut error).cast(),
            &raw mut length,
        )
    })?;
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Every send fails; each is counted with its reason.
pub fn unsent(client: &mut Client, plan: &Plan, truth: &mut Truth) -> Result<()> {
    let payload = request::of(request::SINK, plan.bytes);
    for _ in 0..plan.times {
        match message::send(&client.socket, &payload, Some(&client.to), 0) {
            Err(error) => truth.note(reason(&error), 1),
            Ok(_) => bail!("a datagram to {} was sent", plan.to),
        }
    }
    Ok(())
}

/// What a call that fails before anything leaves is called in `failed`.
pub fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => "unreachable",
        Some(libc::EACCES | libc::EPERM) => "denied",
        Some(libc::EADDRNOTAVAIL) => "no-address",
        _ => "other",
    }
}

/// The socket is this process's, the sends are a child's.
pub fn fork(client: &mut Client, plan: &Plan, deadline: u32) -> Result<()> {
    // SAFETY: this process has one thread, so the child finds every lock free.
    let child = checked(unsafe { libc::fork() }).context("fork")?;
    if child == 0 {
        kernel::end_after(deadline);
        let sent = exchange::send_to(client, plan.times, plan.bytes);
        // SAFETY: ends the process at once, without the parent's buffers and exit handlers.
        unsafe { libc::_exit(i32::from(sent.is_err())) };
    }
    let mut status = 0;
    // SAFETY: the kernel writes one int.
    checked(unsafe { libc::waitpid(child, &raw mut status, 0) }).context("waitpid")?;
    ensure!(status == 0, "a child failed with status {status:#x}");
    // A child that succeeds has sent all of it.
    client.sent(plan.times, plan.times * plan.bytes);
    Ok(())
}
