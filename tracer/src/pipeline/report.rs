//! What a snapshot says of the tracer itself: losses, how full the maps are, which hooks serve.

use std::sync::Arc;

use tracer_common::{fast::FAST_FLOWS, map::counter};

use super::{Pipeline, reading::Entries};
use crate::{
    kernel::{
        load::Verdict,
        lookups::{LIBRARIES, Lookups},
    },
    model::{HookState, Loss, MapUse, Unattributed},
};

impl Pipeline {
    pub(super) fn unattributed(&mut self) -> Vec<(Unattributed, u64)> {
        let tally = &mut self.book.unattributed;
        let sums = tally.now.iter().zip(tally.retired);
        for (shown, (now, retired)) in tally.shown.iter_mut().zip(sums) {
            *shown = (now + retired).max(*shown);
        }
        Unattributed::ALL.into_iter().zip(tally.shown).collect()
    }

    pub(super) fn losses(&self) -> Vec<Loss> {
        let kernel = |reason, index| Loss {
            stage: "kernel",
            reason,
            count: self.kernel.maps.counter(index),
        };
        let lookups = self.kernel.lookups.as_ref();
        let library = |reason, count: fn(&Lookups) -> u64| Loss {
            stage: "lookups",
            reason,
            count: lookups.map_or(0, count),
        };
        vec![
            kernel("destinations_full", counter::DESTINATIONS_FULL),
            kernel("connections_full", counter::CONNECTIONS_FULL),
            kernel("processes_full", counter::PROCESSES_FULL),
            kernel("overflow_full", counter::OVERFLOW_FULL),
            kernel("records_full", counter::RING_FULL),
            kernel("end_missed", counter::END_MISSED),
            kernel("flows_full", counter::FLOWS_FULL),
            kernel("sockets_full", counter::SOCKETS_FULL),
            kernel("listeners_full", counter::LISTENERS_FULL),
            kernel("calls_full", counter::CALLS_FULL),
            Loss {
                stage: "kernel",
                reason: "returns_missed",
                count: self.kernel.maps.counter(counter::RETURNS_MISSED) + self.unreturned,
            },
            kernel("payload_hidden", counter::PAYLOAD_HIDDEN),
            kernel("names_full", counter::NAMES_FULL),
            kernel("lookups_missed", counter::LOOKUPS_MISSED),
            library("libraries_failed", Lookups::failed),
            library("libraries_full", Lookups::full),
            library("programs_late", Lookups::late),
            Loss {
                stage: "name",
                reason: "no_room",
                count: self.book.naming.lost(),
            },
            Loss {
                stage: "name",
                reason: "lookups_full",
                count: self.book.unjudged,
            },
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
                stage: "attribute",
                reason: "files_late",
                count: self.attribution.late() + self.book.sight.late(),
            },
            Loss {
                stage: "data",
                reason: "unreadable_records",
                count: self.book.destinations.databases.faults(),
            },
            Loss {
                stage: "ledger",
                reason: "apps_full",
                count: self.book.identities.folded,
            },
        ]
    }

    pub(super) fn map_use(&self, entries: &Entries) -> Vec<MapUse> {
        let capacities = self.kernel.maps.capacities;
        let lookups = self.kernel.lookups.as_ref();
        let libraries = lookups.map_or(0, Lookups::libraries);
        let use_of = |map, entries, capacity| MapUse {
            map,
            entries,
            capacity: u64::from(capacity),
        };
        vec![
            use_of(
                "destinations",
                entries.destinations,
                capacities.destinations,
            ),
            use_of(
                "processes",
                self.programs.registered(),
                capacities.processes,
            ),
            use_of("overflow", entries.overflow, capacities.overflow),
            use_of("connections", entries.connections, capacities.connections),
            use_of("flows", entries.flows, capacities.flows),
            use_of(
                "fast_flows",
                self.fast.as_ref().map_or(0, |fast| fast.held() as u64),
                FAST_FLOWS,
            ),
            use_of("sockets", entries.sockets, capacities.sockets),
            use_of("older", entries.older, capacities.older),
            use_of("libraries", libraries, LIBRARIES),
        ]
    }

    pub(super) fn tables(&self) -> Vec<(Arc<str>, u64)> {
        let tables = self.kernel.maps.tables.iter();
        tables
            .map(|table| (table.name.clone(), table.bytes()))
            .collect()
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
