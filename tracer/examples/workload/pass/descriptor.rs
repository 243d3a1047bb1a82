//! A descriptor on its way to another process: SCM_RIGHTS.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, ensure};

use crate::kernel::length;
use crate::message;

/// With one byte, as a descriptor does not travel alone.
pub fn send(through: &impl AsFd, descriptor: BorrowedFd) -> Result<()> {
    let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    message::send_with(through, b".", None, level, kind, descriptor.as_raw_fd())
        .context("pass a socket")?;
    Ok(())
}

pub fn take(through: &impl AsFd) -> Result<OwnedFd> {
    let mut byte = [0u8];
    // Aligned as a control message must be, and larger than one with one descriptor.
    let mut control = [0u64; 8];
    let mut vector = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: byte.len(),
    };
    // SAFETY: all-zero bytes are a valid, empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    let (from, flags) = (through.as_fd().as_raw_fd(), libc::MSG_CMSG_CLOEXEC);
    // SAFETY: the message points to buffers that outlive the call.
    length(unsafe { libc::recvmsg(from, &raw mut message, flags) }).context("take a socket")?;
    // SAFETY: the kernel has set the length of the control buffer.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: it is null or points to a header in the control buffer.
    let header = unsafe { header.as_ref() }.context("no socket came")?;
    ensure!(
        (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS),
        "something else than a socket came"
    );
    // SAFETY: a message of this kind has at least one descriptor.
    let descriptor = unsafe { libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned() };
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
