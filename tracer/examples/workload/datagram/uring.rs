//! Datagrams without their system calls: all through io_uring.

use std::mem;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use io_uring::{opcode, types};

use super::client::{Client, Plan};
use super::exchange;
use crate::session::Ring;

/// With `connected` SEND and RECV, otherwise SENDMSG and RECVMSG.
pub fn io_uring(client: &mut Client, plan: &Plan, connected: bool, worker: bool) -> Result<()> {
    let payload = exchange::payload(plan)?;
    let mut ring = Ring::new(worker)?;
    if connected {
        client.connect(plan.to)?;
    }
    // In step: a ring that does one operation at a time has one datagram under way.
    for _ in 0..plan.times {
        let sent = send(client, &mut ring, &payload, connected)?;
        client.sent(1, sent);
        let taken = take(client, &mut ring, plan.bytes, connected)?;
        ensure!(taken == plan.bytes, "an answer has {taken} bytes");
        client.took(1, taken);
    }
    client.check_empty()
}

fn send(client: &Client, ring: &mut Ring, payload: &[u8], connected: bool) -> Result<u64> {
    let descriptor = types::Fd(client.socket.as_raw_fd());
    let done = if connected {
        let send = opcode::Send::new(descriptor, payload.as_ptr(), payload.len() as u32);
        ring.run(send.build())?
    } else {
        let mut vector = libc::iovec {
            iov_base: payload.as_ptr().cast_mut().cast(),
            iov_len: payload.len(),
        };
        // SAFETY: all-zero bytes are a valid, empty message.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_name = client.to.pointer().cast_mut().cast();
        message.msg_namelen = client.to.length();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        ring.run(opcode::SendMsg::new(descriptor, &raw const message).build())?
    };
    done.context("send through the ring")
}

fn take(client: &Client, ring: &mut Ring, bytes: u64, connected: bool) -> Result<u64> {
    let descriptor = types::Fd(client.socket.as_raw_fd());
    let mut buffer = vec![0; bytes as usize + 1];
    let done = if connected {
        let take = opcode::Recv::new(descriptor, buffer.as_mut_ptr(), buffer.len() as u32);
        ring.run(take.build())?
    } else {
        // SAFETY: all-zero bytes are a valid sockaddr_storage.
        let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let mut vector = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        // SAFETY: all-zero bytes are a valid, empty message.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = size_of_val(&name) as libc::socklen_t;
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        ring.run(opcode::RecvMsg::new(descriptor, &raw mut message).build())?
    };
    done.context("receive through the ring")
}
