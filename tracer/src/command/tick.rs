//! When is it time to look again? A timer of the kernel's, which wakes us once and when it is due.
//!
//! tokio's own timers wake a second time on the way to a time that is more than a moment ahead, and each wake-up costs a
//! phone's battery.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use tokio::io::{Interest, unix::AsyncFd};

pub struct Tick(AsyncFd<OwnedFd>);

impl Tick {
    /// One that is never due. Must be made where tokio runs.
    pub fn new() -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: makes a descriptor.
        let descriptor = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is new, and nobody else's.
        let timer = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // SAFETY: the descriptor is the value's own and stays the same as long as it lives.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        Ok(Self(timer?))
    }

    /// It is due so much from now; what was set before is forgotten.
    pub fn set(&self, from_now: Duration) -> io::Result<()> {
        let time = |duration: Duration| libc::timespec {
            tv_sec: duration.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(duration.subsec_nanos().cast_signed()),
        };
        let when = libc::itimerspec {
            it_interval: time(Duration::ZERO),
            // Zero would stop it.
            it_value: time(from_now.max(Duration::from_nanos(1))),
        };
        let descriptor = self.0.as_raw_fd();
        // SAFETY: the kernel reads one structure.
        let result =
            unsafe { libc::timerfd_settime(descriptor, 0, &raw const when, std::ptr::null_mut()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits until it is due.
    pub async fn wait(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut turns = [0_u8; 8];
            let descriptor = self.0.as_raw_fd();
            // SAFETY: the kernel writes at most the length that is given.
            let read = unsafe { libc::read(descriptor, turns.as_mut_ptr().cast(), turns.len()) };
            ready.clear_ready();
            if read == turns.len() as isize {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn it_is_due_once_and_not_before_its_time() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        runtime.block_on(async {
            let tick = Tick::new().expect("a timer");
            let start = Instant::now();
            tick.set(Duration::from_secs(3600)).expect("set it");
            tick.set(Duration::from_millis(20)).expect("set it again");
            tick.wait().await.expect("wait for it");
            assert!(start.elapsed() >= Duration::from_millis(20));
            let again = tokio::time::timeout(Duration::from_millis(50), tick.wait()).await;
            assert!(again.is_err(), "it was due twice");
        });
    }
}
