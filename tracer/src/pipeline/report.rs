//! What a snapshot says of the tracer itself: losses, how full the maps are, which hooks serve.

use tracer_common::map::counter;

use super::Pipeline;
use crate::{
    kernel::load::Verdict,
    model::{HookState, Loss, MapUse, Unattributed},
};

impl Pipeline {
    pub(super) fn unattributed(&self) -> Vec<(Unattributed, u64)> {
        Unattributed::ALL
            .into_iter()
            .zip(self.unattributed.now.iter().zip(self.unattributed.retired))
            .map(|(reason, (now, retired))| (reason, now + retired))
            .collect()
    }

    pub(super) fn losses(&self) -> Vec<Loss> {
        let kernel = |reason, index| Loss {
            stage: "kernel",
            reason,
            count: self.kernel.maps.counter(index),
        };
        vec![
            kernel("destinations_full", counter::DESTINATIONS_FULL),
            kernel("connections_full", counter::CONNECTIONS_FULL),
            kernel("processes_full", counter::PROCESSES_FULL),
            kernel("overflow_full", counter::OVERFLOW_FULL),
            kernel("records_full", counter::RING_FULL),
            kernel("end_missed", counter::END_MISSED),
            Loss {
                stage: "kernel",
                reason: "read_failed",
                count: self.failed_reads,
            },
            Loss {
                stage: "ledger",
                reason: "records_without_app",
                count: self.lost_records,
            },
            Loss {
                stage: "start",
                reason: "older_sockets",
                count: self.older.lost(),
            },
            Loss {
                stage: "attribute",
                reason: "reload_failed",
                count: self.attribution.reload_failures(),
            },
            Loss {
                stage: "ledger",
                reason: "apps_full",
                count: self.identities.folded,
            },
        ]
    }

    pub(super) fn map_use(
        &self,
        [destinations, overflow, connections, older]: [u64; 4],
    ) -> Vec<MapUse> {
        let capacities = self.kernel.maps.capacities;
        let use_of = |map, entries, capacity| MapUse {
            map,
            entries,
            capacity: u64::from(capacity),
        };
        vec![
            use_of("destinations", destinations, capacities.destinations),
            use_of(
                "processes",
                self.programs.registered(),
                capacities.processes,
            ),
            use_of("overflow", overflow, capacities.overflow),
            use_of("connections", connections, capacities.connections),
            use_of("older", older, capacities.older),
        ]
    }

    pub(super) fn hooks(&self) -> Vec<HookState> {
        let state = |verdict: &Verdict| HookState {
            signal: verdict.hook.gives.label(),
            hook: verdict.hook.attach.label(),
            attached: verdict.failure.is_none(),
            missed: self.kernel.missed(verdict.hook),
        };
        self.kernel.verdicts.iter().map(state).collect()
    }
}
