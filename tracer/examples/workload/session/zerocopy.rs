//! Sends with MSG_ZEROCOPY and waits until the kernel has given every piece back.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};

use super::{PAYLOAD, Plan, Session, answer};
use crate::kernel::{self, checked, length};
use crate::socket;
use crate::truth::Truth;

/// `SO_EE_ORIGIN_ZEROCOPY` of linux/errqueue.h.
const ORIGIN: u8 = 5;
/// How long a completion may take, in seconds.
const PATIENCE: u64 = 10;

pub fn zerocopy(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = answer(plan.bytes_out, plan.bytes_in);
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    let on: libc::c_int = 1;
    socket::set(&session.stream, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &on)?;
    let descriptor = session.stream.as_raw_fd();
    let flags = libc::MSG_ZEROCOPY | libc::MSG_NOSIGNAL;
    let (mut left, mut pending) = (plan.bytes_out, 0);
    while left > 0 {
        let piece = &PAYLOAD[..left.min(PAYLOAD.len() as u64) as usize];
        // SAFETY: the payload is static, so it outlives every use the kernel makes of it.
        match length(unsafe { libc::send(descriptor, piece.as_ptr().cast(), piece.len(), flags) }) {
            Ok(sent) => {
                session.sent += sent;
                left -= sent;
                pending += 1;
            }
            // Too many pieces are with the kernel: take some back first.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                ensure!(
                    pending > 0,
                    "no memory for a single piece\nhint: raise net.core.optmem_max"
                );
                pending -= reap(&session.stream)?;
            }
            Err(error) => return Err(error).context("send with MSG_ZEROCOPY"),
        }
    }
    while pending > 0 {
        pending -= reap(&session.stream)?;
    }
    session.receive(plan.bytes_in)?;
    session.close(truth)
}

/// Waits for one message of the error queue: how many sends it completes.
fn reap(stream: &TcpStream) -> Result<u64> {
    // POLLERR is always told.
    let mut source = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    let wait = kernel::patience(PATIENCE).as_millis() as libc::c_int;
    // SAFETY: the kernel reads and writes the one entry.
    let ready = checked(unsafe { libc::poll(&raw mut source, 1, wait) }).context("poll")?;
    ensure!(ready == 1, "the kernel keeps pieces of the payload");
    // Aligned for the control messages inside.
    let mut control = [0u64; 32];
    // SAFETY: all-zero bytes are a valid, empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the kernel writes within the control buffer of the message.
    let taken = unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE) };
    match length(taken) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
        taken => taken.context("read the error queue")?,
    };
    // SAFETY: the kernel has filled in the message.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    ensure!(
        !first.is_null(),
        "a message without content in the error queue"
    );
    // SAFETY: the first control message of the error queue is the extended error.
    let error = unsafe {
        libc::CMSG_DATA(first)
            .cast::<libc::sock_extended_err>()
            .read_unaligned()
    };
    ensure!(
        error.ee_origin == ORIGIN,
        "error queue: {}",
        io::Error::from_raw_os_error(error.ee_errno as i32)
    );
    Ok(u64::from(error.ee_data - error.ee_info) + 1)
}
