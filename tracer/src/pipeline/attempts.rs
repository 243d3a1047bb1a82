//! Calls whose end no hook tells. Of connects whose SYN nobody saw the kernel side asks their sockets; of calls that send a datagram
//! only their loss is known.

use std::io;

use super::Pipeline;
use crate::kernel::{hooks::Way, source};

/// A call that began so many nanoseconds ago is not in the middle of looking for a route any more, even where its thread has to
/// wait long for a processor: the kernel waits for nothing else in between.
const PATIENCE: u64 = 30_000_000_000;

impl Pipeline {
    /// Resolves those that began long ago: they go on as connections, or end as contacts that failed.
    pub(super) fn end_attempts(&mut self) -> io::Result<()> {
        let now_ns = source::monotonic_ns();
        let mut old = Vec::new();
        self.kernel.attempts(|key, attempt| {
            if now_ns.saturating_sub(attempt.began_ns) >= PATIENCE {
                old.push(*key);
            }
        })?;
        self.kernel.resolve(&old)
    }

    /// A call whose thread is gone has returned, and no program was run for that. Another call of a thread that lives shows the same to
    /// the kernel side.
    pub(super) fn end_calls(&mut self) -> io::Result<()> {
        if self.kernel.way() != Way::Tracing {
            return Ok(());
        }
        let mut left = Vec::new();
        self.kernel.calls(|thread, _| {
            if is_gone(*thread) {
                left.push(*thread);
            }
        })?;
        for thread in left {
            self.unreturned += u64::from(self.kernel.maps.sending.remove(&thread).is_ok());
        }
        Ok(())
    }
}

/// Whether there is no such thread (in the lower half) of such a process any more.
fn is_gone(thread: u64) -> bool {
    let (process, thread) = ((thread >> 32) as u32, thread as u32);
    // SAFETY: signal 0 is not delivered; it only asks.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) };
    result != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::is_gone;

    #[test]
    fn a_thread_is_gone_when_it_has_ended() {
        let process = u64::from(std::process::id()) << 32;
        // SAFETY: asks for a number.
        let own = move || process | u64::from(unsafe { libc::gettid() }.cast_unsigned());
        assert!(!is_gone(own()));
        let ended = std::thread::spawn(own).join().expect("it has a number");
        // It is joined a moment before the kernel has taken it down.
        while !is_gone(ended) {
            std::thread::yield_now();
        }
    }
}
