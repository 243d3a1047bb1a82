//! Many datagrams in one system call.

use std::os::fd::AsRawFd;
use std::{mem, ptr};

use anyhow::{Context, Result, ensure};

use super::client::{Client, Plan};
use super::exchange;
use crate::kernel::checked;
use crate::message;

/// As many as one call gets. All of them are under way at a time, for which the socket has the room.
const BATCH: u64 = 32;

pub fn sendmmsg(client: &mut Client, plan: &Plan) -> Result<()> {
    let mut payload = exchange::payload(plan)?;
    let mut buffer = vec![0; payload.len() + 1];
    let mut left = plan.times;
    while left > 0 {
        // SAFETY: all-zero bytes are a valid, empty message.
        let mut messages: [libc::mmsghdr; BATCH as usize] = unsafe { mem::zeroed() };
        let mut vector = vector_of(&mut payload);
        for message in &mut messages {
            message.msg_hdr.msg_name = client.to.pointer().cast_mut().cast();
            message.msg_hdr.msg_namelen = client.to.length();
            message.msg_hdr.msg_iov = &raw mut vector;
            message.msg_hdr.msg_iovlen = 1;
        }
        let (descriptor, count) = (client.socket.as_raw_fd(), left.min(BATCH) as libc::c_uint);
        // SAFETY: the first `count` messages all point to the one address and payload.
        let sent = checked(unsafe { libc::sendmmsg(descriptor, messages.as_mut_ptr(), count, 0) })
            .context("sendmmsg")?;
        for message in &messages[..sent as usize] {
            client.sent(1, u64::from(message.msg_len));
        }
        for _ in 0..sent {
            let (taken, _) =
                message::receive_from(&client.socket, &mut buffer, 0).context("recvfrom")?;
            ensure!(taken == plan.bytes, "an answer has {taken} bytes");
            client.took(1, taken);
        }
        left -= sent as u64;
    }
    client.check_empty()
}

pub fn recvmmsg(client: &mut Client, plan: &Plan) -> Result<()> {
    let payload = exchange::payload(plan)?;
    let mut buffers = vec![vec![0; payload.len() + 1]; BATCH as usize];
    let mut left = plan.times;
    while left > 0 {
        let batch = left.min(BATCH);
        for _ in 0..batch {
            let sent = message::send(&client.socket, &payload, Some(&client.to), 0);
            client.sent(1, sent.context("sendto")?);
        }
        let mut missing = batch;
        while missing > 0 {
            missing -= take(client, plan, &mut buffers[..missing as usize])?;
        }
        left -= batch;
    }
    client.check_empty()
}

/// Waits for one answer, and takes what else is here.
fn take(client: &mut Client, plan: &Plan, buffers: &mut [Vec<u8>]) -> Result<u64> {
    let mut vectors: Vec<_> = buffers.iter_mut().map(|one| vector_of(one)).collect();
    // SAFETY: all-zero bytes are a valid sockaddr_storage.
    let mut names: [libc::sockaddr_storage; BATCH as usize] = unsafe { mem::zeroed() };
    // SAFETY: all-zero bytes are a valid, empty message.
    let mut messages: [libc::mmsghdr; BATCH as usize] = unsafe { mem::zeroed() };
    for ((message, vector), name) in messages.iter_mut().zip(&mut vectors).zip(&mut names) {
        message.msg_hdr.msg_iov = vector;
        message.msg_hdr.msg_iovlen = 1;
        message.msg_hdr.msg_namelen = size_of_val(name) as libc::socklen_t;
        message.msg_hdr.msg_name = ptr::from_mut(name).cast();
    }
    let (descriptor, count) = (client.socket.as_raw_fd(), vectors.len() as libc::c_uint);
    let (start, wait) = (messages.as_mut_ptr(), libc::MSG_WAITFORONE);
    // SAFETY: the first `count` messages have each a buffer and a name of their own.
    let taken = checked(unsafe { libc::recvmmsg(descriptor, start, count, wait, ptr::null_mut()) })
        .context("recvmmsg")?;
    for message in &messages[..taken as usize] {
        let bytes = u64::from(message.msg_len);
        ensure!(bytes == plan.bytes, "an answer has {bytes} bytes");
        client.took(1, bytes);
    }
    Ok(taken as u64)
}

fn vector_of(buffer: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    }
}
