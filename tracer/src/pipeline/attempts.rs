//! Connects that never sent a SYN and whose end no hook sees: at the control group only their beginning is told.

use std::{io, sync::Arc};

use tracer_common::outcome;

use super::{Pipeline, reading::place};
use crate::{
    kernel::{hooks::Way, source},
    model::Totals,
};

/// A call that has begun so many nanoseconds ago and is not at its SYN has failed: the kernel looks for a route in between,
/// and waits for nothing.
const PATIENCE: u64 = 2_000_000_000;
/// The same where another hook sees the call's return, so that only one is left here that this hook has missed.
const LONG_PATIENCE: u64 = 30_000_000_000;

impl Pipeline {
    /// Books those that have failed.
    pub(super) fn end_attempts(&mut self) -> io::Result<()> {
        let patience = match self.kernel.way() {
            Way::Tracing => LONG_PATIENCE,
            Way::Cgroup => PATIENCE,
        };
        let now_ns = source::monotonic_ns();
        let mut failed = Vec::new();
        self.kernel.attempts(|thread, attempt| {
            if now_ns.saturating_sub(attempt.began_ns) >= patience {
                failed.push((*thread, attempt.destination));
            }
        })?;
        for (thread, destination) in failed {
            if self.programs.find(destination.process).is_none() {
                self.learn();
            }
            let Some(known) = self.programs.find(destination.process) else {
                continue;
            };
            // The thread may have gone on meanwhile, and the kernel side has booked it then.
            if self.kernel.maps.attempts.remove(&thread).is_err() {
                continue;
            }
            let mut totals = Totals {
                connections: 1,
                ..Totals::default()
            };
            totals.failed[outcome::UNREACHABLE] = 1;
            if let Some(reason) = known.unattributed {
                self.unattributed.retired[reason as usize] += 1;
            }
            let app = Arc::clone(self.identities.app(known.identity));
            self.rows.retire(&app, place(known, &destination), &totals);
        }
        Ok(())
    }
}
