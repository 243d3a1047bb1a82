//! epoll, as much of it as the server needs.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};

use crate::kernel::checked;

/// Events taken from the kernel at a time.
const BATCH: usize = 256;

pub struct Events(OwnedFd);

pub struct Event {
    pub descriptor: RawFd,
    /// The connection was reset, or both directions have ended.
    pub gone: bool,
}

impl Events {
    pub fn new() -> Result<Self> {
        // SAFETY: no memory is involved.
        let descriptor =
            checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).context("epoll")?;
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Edge-triggered for both directions, so that one call a connection is enough. What is ready already
    /// is told as well.
    pub fn watch(&self, descriptor: RawFd) -> Result<()> {
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32,
            u64: descriptor as u64,
        };
        let add = libc::EPOLL_CTL_ADD;
        // SAFETY: the kernel reads one event.
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), add, descriptor, &raw mut event) })
            .context("epoll_ctl")?;
        Ok(())
    }

    pub fn wait(&self, milliseconds: i32) -> Result<Vec<Event>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let (epoll, batch) = (self.0.as_raw_fd(), BATCH as libc::c_int);
        // SAFETY: the kernel writes at most BATCH events.
        let answer =
            checked(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), batch, milliseconds) });
        let count = match answer {
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            answer => answer.context("epoll_wait")?,
        };
        Ok(events[..count as usize]
            .iter()
            .map(|event| Event {
                descriptor: event.u64 as RawFd,
                gone: event.events & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0,
            })
            .collect())
    }
}
