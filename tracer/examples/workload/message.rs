//! The system calls that send and take one message, whatever the protocol.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;
use std::{io, mem, ptr};

use anyhow::{Context, Result};

use crate::kernel::{checked, length};
use crate::socket::{self, Encoded};

/// sendto(2), or send(2) when no address is given.
pub fn send(
    socket: &impl AsFd,
    payload: &[u8],
    to: Option<&Encoded>,
    flags: libc::c_int,
) -> io::Result<u64> {
    let (pointer, bytes) = to.map_or((ptr::null(), 0), |to| (to.pointer(), to.length()));
    let (start, size) = (payload.as_ptr().cast(), payload.len());
    let descriptor = socket.as_fd().as_raw_fd();
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the payload and the encoded address are given with their lengths.
    length(unsafe { libc::sendto(descriptor, start, size, flags, pointer, bytes) })
}

/// recv(2): who sent it is not asked for.
pub fn receive(socket: &impl AsFd, buffer: &mut [u8], flags: libc::c_int) -> io::Result<u64> {
    let (start, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the kernel writes at most `size` bytes to the buffer.
    length(unsafe { libc::recv(socket.as_fd().as_raw_fd(), start, size, flags) })
}

/// recvfrom(2).
pub fn receive_from(
    socket: &impl AsFd,
    buffer: &mut [u8],
    flags: libc::c_int,
) -> io::Result<(u64, SocketAddr)> {
    // SAFETY: all-zero bytes are a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut bytes = size_of_val(&storage) as libc::socklen_t;
    let (start, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    let descriptor = socket.as_fd().as_raw_fd();
    let from = (&raw mut storage).cast();
    // SAFETY: the kernel writes at most `size` bytes to the buffer and `bytes` to the address.
    let taken =
        length(unsafe { libc::recvfrom(descriptor, start, size, flags, from, &raw mut bytes) })?;
    let from = socket::decode(&storage).ok_or(io::ErrorKind::InvalidData)?;
    Ok((taken, from))
}

/// sendmsg(2) with one control message.
pub fn send_with<T>(
    socket: &impl AsFd,
    payload: &[u8],
    to: Option<&Encoded>,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) -> io::Result<u64> {
    // Aligned as a control message must be, and larger than any that is sent here.
    let mut control = [0u64; 16];
    let mut vector = libc::iovec {
        iov_base: payload.as_ptr().cast_mut().cast(),
        iov_len: payload.len(),
    };
    // SAFETY: all-zero bytes are a valid, empty message.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    if let Some(to) = to {
        message.msg_name = to.pointer().cast_mut().cast();
        message.msg_namelen = to.length();
    }
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    let size = size_of::<T>() as libc::c_uint;
    // SAFETY: pure arithmetic on a length.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size) } as usize;
    assert!(message.msg_controllen <= size_of_val(&control), "control");
    // SAFETY: the message has a control buffer that is large enough for one header.
    let header = unsafe { &mut *libc::CMSG_FIRSTHDR(&raw const message) };
    header.cmsg_level = level;
    header.cmsg_type = kind;
    // SAFETY: pure arithmetic on a length.
    header.cmsg_len = unsafe { libc::CMSG_LEN(size) } as usize;
    // SAFETY: the data of the header lies in the control buffer, with room for the value.
    unsafe { libc::CMSG_DATA(header).cast::<T>().write_unaligned(value) };
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the message points to what outlives the call.
    length(unsafe { libc::sendmsg(descriptor, &raw const message, libc::MSG_NOSIGNAL) })
}

/// An answer that has not come by then is lost.
pub fn give_up_after(socket: &impl AsFd, patience: Duration) -> Result<()> {
    let time = libc::timeval {
        tv_sec: patience.as_secs() as libc::time_t,
        tv_usec: libc::suseconds_t::from(patience.subsec_micros()),
    };
    socket::set(socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &time)
}

/// Makes room for `bytes` of unread datagrams; as root beyond net.core.rmem_max.
pub fn make_room(socket: &impl AsFd, bytes: libc::c_int) -> Result<()> {
    socket::set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes)
        .or_else(|_| socket::set(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
}

/// `SK_MEMINFO_VARS` of linux/sock_diag.h.
const MEMORY_VALUES: usize = 9;

/// What a socket's queue holds and lost.
pub struct Queue {
    /// As the kernel accounts it, which is more than the payload.
    pub unread: u32,
    /// Datagrams that found no room.
    pub dropped: u32,
}

pub fn queue(socket: &impl AsFd) -> Result<Queue> {
    let mut values = [0u32; MEMORY_VALUES];
    let mut bytes = size_of_val(&values) as libc::socklen_t;
    let (start, descriptor) = (values.as_mut_ptr().cast(), socket.as_fd().as_raw_fd());
    let (level, name) = (libc::SOL_SOCKET, libc::SO_MEMINFO);
    // SAFETY: the kernel writes at most `bytes` bytes to the values.
    checked(unsafe { libc::getsockopt(descriptor, level, name, start, &raw mut bytes) })
        .context("SO_MEMINFO")?;
    Ok(Queue {
        unread: values[0],
        dropped: values[8],
    })
}
