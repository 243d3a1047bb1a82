//! Connects whose SYN nobody saw, and whose end no hook tells: the kernel side asks their sockets.

use std::io;

use super::Pipeline;
use crate::kernel::source;

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
}
