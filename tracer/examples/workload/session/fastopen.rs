//! TCP Fast Open: connect and send in one call, and from the second time on in one segment.

use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result};

use super::{Plan, Session, answer};
use crate::kernel::checked;
use crate::truth::{Truth, failure};
use crate::{header, message, socket};

/// `TCPI_OPT_SYN_DATA` of linux/tcp.h: the server acknowledged data of the SYN.
const SYN_DATA: u8 = 32;
/// Where `tcpi_options` stands in `struct tcp_info`.
const OPTIONS: usize = 5;
/// What the first call sends after the header: with it it fits into one SYN.
const FIRST: u64 = 500;

pub fn fast_open(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let opened = socket::open(plan.to).context("socket")?;
    let first = plan.bytes_out.min(FIRST);
    let mut bytes = answer(plan.bytes_out, plan.bytes_in).encode().to_vec();
    bytes.resize(header::LENGTH + first as usize, b'.');
    let to = socket::encode(plan.to);
    // Without a cookie the call waits for the handshake, with one it does not.
    let sent = match message::send(&opened, &bytes, Some(&to), libc::MSG_FASTOPEN) {
        Ok(sent) => sent,
        Err(error) => {
            truth.fail(&failure(&error));
            return Ok(());
        }
    };
    let mut session = Session::of(TcpStream::from(opened), plan.verify);
    session.sent = sent;
    session.send(header::LENGTH as u64 + plan.bytes_out - sent)?;
    session.receive(plan.bytes_in)?;
    session.settle()?;
    truth.establish();
    truth.data_in_syn += u64::from(had_data_in_syn(&session.stream)?);
    session.close(truth)
}

fn had_data_in_syn(socket: &impl AsFd) -> Result<bool> {
    let mut info = [0u8; 8];
    let mut bytes = info.len() as libc::socklen_t;
    let (descriptor, start) = (socket.as_fd().as_raw_fd(), info.as_mut_ptr().cast());
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: the kernel writes at most `bytes` bytes to `info`.
    checked(unsafe { libc::getsockopt(descriptor, level, name, start, &raw mut bytes) })
        .context("TCP_INFO")?;
    Ok(info[OPTIONS] & SYN_DATA != 0)
}
