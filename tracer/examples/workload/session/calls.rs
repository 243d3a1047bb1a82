//! Bytes that do not pass through write(2): sendfile, splice, writev and MSG_MORE.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};

use super::{PAYLOAD, Plan, Session, answer, exchange};
use crate::kernel::{checked, length};
use crate::truth::Truth;

/// No more than a pipe holds by default.
const PIECE: u64 = 64 * 1024;

pub fn sendfile(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let file = file_of(plan.bytes_out)?;
    let Some(mut session) = Session::open(plan, answer(plan.bytes_out, 0), truth)? else {
        return Ok(());
    };
    let (from, to) = (file.as_raw_fd(), session.stream.as_raw_fd());
    let mut left = plan.bytes_out;
    while left > 0 {
        // SAFETY: without an offset no memory is involved.
        let moved = unsafe { libc::sendfile(to, from, std::ptr::null_mut(), left as usize) };
        let moved = length(moved).context("sendfile")?;
        ensure!(moved > 0, "the file ended with {left} bytes to send");
        session.sent += moved;
        left -= moved;
    }
    exchange::end(session, truth)
}

/// File to pipe to socket, then socket to pipe to /dev/null.
pub fn splice(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let file = file_of(plan.bytes_out)?;
    let nowhere = File::options()
        .write(true)
        .open("/dev/null")
        .context("open /dev/null")?;
    let (end, start) = io::pipe().context("pipe")?;
    let header = answer(plan.bytes_out, plan.bytes_in);
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    let mut left = plan.bytes_out;
    while left > 0 {
        let piece = move_some(&file, &start, left)?;
        let mut inside = piece;
        while inside > 0 {
            inside -= move_some(&end, &session.stream, inside)?;
        }
        session.sent += piece;
        left -= piece;
    }
    let mut left = plan.bytes_in;
    while left > 0 {
        let piece = move_some(&session.stream, &start, left)?;
        session.received += piece;
        left -= piece;
        let mut inside = piece;
        while inside > 0 {
            inside -= move_some(&end, &nowhere, inside)?;
        }
    }
    session.close(truth)
}

fn move_some(from: &impl AsFd, to: &impl AsFd, bytes: u64) -> Result<u64> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    let (none, bytes) = (std::ptr::null_mut(), bytes.min(PIECE) as usize);
    // SAFETY: without offsets no memory is involved.
    let moved =
        length(unsafe { libc::splice(from, none, to, none, bytes, 0) }).context("splice")?;
    ensure!(moved > 0, "splice came to an end early");
    Ok(moved)
}

/// A file in memory, all zeros.
fn file_of(bytes: u64) -> Result<File> {
    // SAFETY: the name is a C string.
    let descriptor = unsafe { libc::memfd_create(c"workload".as_ptr(), libc::MFD_CLOEXEC) };
    // SAFETY: the descriptor is new, and nobody else's.
    let file =
        File::from(unsafe { OwnedFd::from_raw_fd(checked(descriptor).context("memfd_create")?) });
    file.set_len(bytes).context("size the file")?;
    Ok(file)
}

/// The first half in a vector of three, the second with MSG_MORE but for its last byte.
pub fn writev(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = answer(plan.bytes_out, plan.bytes_in);
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    let mut left = plan.bytes_out / 2;
    while left > 0 {
        let third = (left / 3).min(PAYLOAD.len() as u64) as usize;
        let last = (left as usize - 2 * third).min(PAYLOAD.len());
        let (third, last) = (
            IoSlice::new(&PAYLOAD[..third]),
            IoSlice::new(&PAYLOAD[..last]),
        );
        let written = session
            .stream
            .write_vectored(&[third, third, last])
            .context("writev")? as u64;
        session.sent += written;
        left -= written;
    }
    let mut left = plan.bytes_out - plan.bytes_out / 2;
    while left > 0 {
        let more = left > 1;
        let piece = if more {
            &PAYLOAD[..(left - 1).min(PIECE) as usize]
        } else {
            &PAYLOAD[..1]
        };
        let written = send_message(
            &session.stream,
            piece,
            if more { libc::MSG_MORE } else { 0 },
        )?;
        session.sent += written;
        left -= written;
    }
    session.receive(plan.bytes_in)?;
    session.close(truth)
}

fn send_message(to: &impl AsFd, piece: &[u8], flags: libc::c_int) -> Result<u64> {
    let mut vector = libc::iovec {
        iov_base: piece.as_ptr().cast_mut().cast(),
        iov_len: piece.len(),
    };
    // SAFETY: all-zero bytes are a valid, empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    let descriptor = to.as_fd().as_raw_fd();
    // SAFETY: the kernel reads the one vector of the message, which is the piece.
    length(unsafe { libc::sendmsg(descriptor, &raw const message, flags | libc::MSG_NOSIGNAL) })
        .context("sendmsg")
}
