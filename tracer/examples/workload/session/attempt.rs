//! Connects, and the ways in which a connect comes to nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Plan;
use crate::kernel::checked;
use crate::socket;
use crate::truth::{Truth, failure};

/// The kernel gives a port in time-wait on loopback out again after a second; looking sooner is cheap.
const PORT_PAUSE: Duration = Duration::from_millis(5);

/// One connection, or none when the connect failed: the truth has either.
pub fn attempt(to: SocketAddr, truth: &mut Truth) -> Result<Option<TcpStream>> {
    attempt_with(to, truth, |_| Ok(()))
}

/// The same from a given address, with a port of the kernel's choice.
pub fn attempt_from(
    source: Option<&Ipv4Addr>,
    to: SocketAddr,
    truth: &mut Truth,
) -> Result<Option<TcpStream>> {
    attempt_with(to, truth, |opened| {
        let Some(source) = source else { return Ok(()) };
        // The port is chosen at the connect, when the destination is known: all ports of a source serve each of them.
        let on: libc::c_int = 1;
        socket::set(opened, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &on)?;
        socket::bind(opened, (*source, 0).into())
    })
}

fn attempt_with(
    to: SocketAddr,
    truth: &mut Truth,
    prepare: impl Fn(&OwnedFd) -> Result<()>,
) -> Result<Option<TcpStream>> {
    loop {
        let opened = socket::open(to).context("socket")?;
        prepare(&opened)?;
        match socket::connect(&opened, to) {
            Ok(()) => {
                truth.establish();
                return Ok(Some(TcpStream::from(opened)));
            }
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {
                truth.without_port += 1;
                thread::sleep(PORT_PAUSE);
            }
            Err(error) => {
                truth.fail(&failure(&error));
                return Ok(None);
            }
        }
    }
}

pub fn plain(plan: &Plan, truth: &mut Truth) -> Result<()> {
    attempt(plan.to, truth).map(drop)
}

pub fn reset(plan: &Plan, truth: &mut Truth) -> Result<()> {
    if let Some(stream) = attempt(plan.to, truth)? {
        socket::reset_on_close(&stream)?;
    }
    Ok(())
}

pub fn timed_out(plan: &Plan, truth: &mut Truth) -> Result<()> {
    // One more SYN after a second, and two seconds to answer that one.
    let retries: libc::c_int = 1;
    attempt_with(plan.to, truth, |opened| {
        socket::set(opened, libc::IPPROTO_TCP, libc::TCP_SYNCNT, &retries)
    })
    .map(drop)
}

pub fn cancelled(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let opened = socket::open(plan.to).context("socket")?;
    let (on, request): (libc::c_int, _) = (1, libc::FIONBIO);
    // SAFETY: the kernel reads one int.
    checked(unsafe {
        libc::ioctl(
            std::os::fd::AsRawFd::as_raw_fd(&opened),
            request,
            &raw const on,
        )
    })
    .context("set non-blocking")?;
    match socket::connect(&opened, plan.to) {
        // The SYN has left when connect returns; dropping the socket closes it in SYN_SENT.
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => truth.fail("cancelled"),
        Err(error) => truth.fail(&failure(&error)),
        Ok(()) => bail!(
            "{} answered at once\nhint: cancel towards an address that drops",
            plan.to
        ),
    }
    Ok(())
}
