//! `multipath`: MPTCP connections, which are TCP to whoever looks at one subflow.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::header::{self, Behaviour};
use crate::kernel::{self, checked};
use crate::session::{PATIENCE, STEP, Session, answer};
use crate::socket;
use crate::truth::{Truth, failure};

#[derive(Args)]
pub struct Multipath {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Payload bytes from here to the server, without the header
    #[arg(long, default_value_t = 10_000)]
    pub bytes_out: u64,
    /// Payload bytes from the server to here
    #[arg(long, default_value_t = 10_000)]
    pub bytes_in: u64,
    /// Send only when so many further subflows carry each connection
    #[arg(long, default_value_t = 0)]
    pub subflows: u8,
    /// The server ends its direction first, and the connection is over with what ends this one
    #[arg(long)]
    pub speak_first: bool,
}

/// `SOL_MPTCP` of linux/socket.h.
const SOL_MPTCP: libc::c_int = 284;
/// Of linux/mptcp.h.
const MPTCP_INFO: libc::c_int = 1;
const MPTCP_INFO_FLAG_FALLBACK: u8 = 1;
/// Where `mptcpi_subflows` stands: those beside the first one.
const SUBFLOWS: usize = 0;
/// Where `mptcpi_flags` stands in `struct mptcp_info`, its low byte on a little-endian machine.
const FLAGS: usize = 8;

pub fn run(arguments: &Multipath) -> Result<()> {
    let mut truth = Truth::default();
    let mut stayed = 0;
    for _ in 0..arguments.times {
        stayed += u64::from(exchange(arguments, &mut truth)?);
    }
    // The others fell back to plain TCP: the server is not MPTCP's.
    truth.print_with(arguments.to, json!({ "multipath": stayed }));
    Ok(())
}

/// Whether the connection was MPTCP to its end.
fn exchange(arguments: &Multipath, truth: &mut Truth) -> Result<bool> {
    let family = socket::family(arguments.to.ip());
    let opened = socket::open_as(family, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)
        .context("MPTCP socket\nhint: sysctl net.mptcp.enabled=1")?;
    if let Err(error) = socket::connect(&opened, arguments.to) {
        truth.fail(&failure(&error));
        return Ok(false);
    }
    truth.establish();
    let mut session = Session::of(TcpStream::from(opened), false);
    let mut header = answer(arguments.bytes_out, arguments.bytes_in);
    if arguments.speak_first {
        header.behaviour = Behaviour::SpeakFirst;
    }
    let header = header.encode();
    // A further subflow needs data that has arrived, and a server that has not ended yet.
    let (first, rest) = header.split_at(header::LENGTH / 2);
    session.stream.write_all(first).context("send the header")?;
    let deadline = Instant::now() + kernel::patience(PATIENCE);
    while arguments.subflows > 0
        && information(&session.stream).is_none_or(|info| info[SUBFLOWS] < arguments.subflows)
    {
        ensure!(
            Instant::now() < deadline,
            "no further subflow\nhint: ip mptcp endpoint add ADDRESS subflow, and limits at both ends"
        );
        thread::sleep(STEP);
    }
    session.stream.write_all(rest).context("send the header")?;
    session.sent = header.len() as u64;
    session.send(arguments.bytes_out)?;
    session.receive(arguments.bytes_in)?;
    if arguments.speak_first {
        session.receive_end()?;
    }
    let stayed = is_multipath(&session.stream);
    session.close(truth)?;
    Ok(stayed)
}

/// After a fallback it is refused, or says so.
fn is_multipath(socket: &impl AsFd) -> bool {
    information(socket).is_some_and(|info| info[FLAGS] & MPTCP_INFO_FLAG_FALLBACK == 0)
}

fn information(socket: &impl AsFd) -> Option<[u8; 64]> {
    let mut info = [0u8; 64];
    let mut bytes = info.len() as libc::socklen_t;
    let (descriptor, start) = (socket.as_fd().as_raw_fd(), info.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `bytes` bytes to `info`.
    let told = checked(unsafe {
        libc::getsockopt(descriptor, SOL_MPTCP, MPTCP_INFO, start, &raw mut bytes)
    });
    told.is_ok().then_some(info)
}
