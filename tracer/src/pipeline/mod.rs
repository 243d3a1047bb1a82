//! The one place where the stages meet. One task owns a [`Pipeline`]; readers get finished snapshots.

mod older;
mod programs;
mod reap;

use std::sync::Arc;

use tracer_common::{Counts, DestinationKey, Record, map::counter, record};

use crate::{
    attribute::Attribution,
    decode,
    kernel::source::Kernel,
    ledger::{DurationsByApp, Identities, Place, Rows},
    model::{HookState, Loss, MapUse, Snapshot, Totals, Unattributed},
};

use older::OlderSockets;
use programs::{Known, Programs};

/// All state of a running tracer.
pub struct Pipeline {
    kernel: Kernel,
    attribution: Attribution,
    programs: Programs,
    older: OlderSockets,
    identities: Identities,
    rows: Rows,
    durations: DurationsByApp,
    unattributed: Tally,
    /// Reads of the kernel's maps that failed; the next one makes up for it.
    failed_reads: u64,
}

/// Contacts of programs without a name, by [`Unattributed`]: those of programs that live, and of those that are gone.
#[derive(Default)]
struct Tally {
    now: [u64; Unattributed::ALL.len()],
    retired: [u64; Unattributed::ALL.len()],
}

impl Pipeline {
    /// Takes a running kernel side and begins to follow the sockets that are there already.
    pub fn new(kernel: Kernel, attribution: Attribution, maximum_destinations: u32) -> Self {
        let mut pipeline = Self {
            kernel,
            attribution,
            programs: Programs::default(),
            older: OlderSockets::default(),
            identities: Identities::default(),
            rows: Rows::new(maximum_destinations),
            durations: DurationsByApp::default(),
            unattributed: Tally::default(),
            failed_reads: 0,
        };
        pipeline.adopt();
        pipeline
    }

    pub fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// Books the details that wait in the ring buffer.
    pub fn drain(&mut self) {
        self.learn();
        let Self { kernel, programs, durations, .. } = self;
        let own = kernel.own_handle;
        kernel.records(|record| {
            if record.destination.process != own {
                book(programs, durations, record);
            }
        });
    }

    /// The picture at this moment.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        self.drain();
        self.rows.begin();
        self.unattributed.now = Default::default();
        // The order matters: the counters of ended connections first, then the live ones. A connection that ends in
        // between is in neither, and comes with the next reading; none is ever in both.
        let mut entries = [0; 4];
        let readings = [Self::read_destinations, Self::read_overflow, Self::read_connections];
        for (entries, reading) in entries.iter_mut().zip(readings) {
            *entries = reading(self).unwrap_or_else(|_| {
                self.failed_reads += 1;
                0
            });
        }
        entries[3] = self.read_older();
        let rows = self.rows.finish();
        Arc::new(Snapshot {
            identities: self.identities.all(),
            rows,
            connect_durations: self.durations.connects(&self.identities),
            connection_durations: self.durations.connections(&self.identities),
            unattributed: self.unattributed(),
            losses: self.losses(),
            folded: self.rows.folded(),
            maps: self.map_use(entries),
            hooks: self.hooks(),
        })
    }

    fn read_destinations(&mut self) -> std::io::Result<u64> {
        let mut unknown = Vec::new();
        let Self { kernel, programs, rows, identities, unattributed, .. } = self;
        let own = kernel.own_handle;
        let entries = kernel.destinations(|key, counts| {
            if key.process == own {
                return;
            }
            match programs.find(key.process) {
                Some(known) => add(rows, identities, unattributed, known, key, &decode::totals(counts)),
                None => unknown.push((*key, *counts)),
            }
        })?;
        // Programs that came while the map was being read.
        if !unknown.is_empty() {
            self.learn();
        }
        for (key, counts) in unknown {
            let known = self.programs.find(key.process).unwrap_or(&programs::NAMELESS);
            let Self { rows, identities, unattributed, .. } = self;
            add(rows, identities, unattributed, known, &key, &decode::totals(&counts));
        }
        Ok(entries)
    }

    fn read_overflow(&mut self) -> std::io::Result<u64> {
        self.learn();
        let Self { kernel, programs, rows, identities, unattributed, .. } = self;
        let own = kernel.own_handle;
        kernel.overflow(|handle, counts| {
            if (*handle == own && own != 0) || *counts == EMPTY {
                return;
            }
            let known = programs.find(*handle).unwrap_or(&programs::NAMELESS);
            let key = DestinationKey { process: *handle, ..DestinationKey::default() };
            add(rows, identities, unattributed, known, &key, &decode::totals(counts));
        })
    }

    fn read_connections(&mut self) -> std::io::Result<u64> {
        self.learn();
        let Self { kernel, programs, rows, identities, unattributed, .. } = self;
        let own = kernel.own_handle;
        kernel.connections(|_, connection| {
            let key = &connection.destination;
            if key.process == own && own != 0 {
                return;
            }
            let known = programs.find(key.process).unwrap_or(&programs::NAMELESS);
            let totals = Totals {
                open: u64::from(connection.established_ns != 0),
                sent: connection.sent,
                received: connection.received,
                ..Totals::default()
            };
            add(rows, identities, unattributed, known, key, &totals);
        })
    }

    fn unattributed(&self) -> Vec<(Unattributed, u64)> {
        Unattributed::ALL
            .into_iter()
            .zip(self.unattributed.now.iter().zip(self.unattributed.retired))
            .map(|(reason, (now, retired))| (reason, now + retired))
            .collect()
    }

    fn losses(&self) -> Vec<Loss> {
        let kernel = |reason, index| Loss { stage: "kernel", reason, count: self.kernel.maps.counter(index) };
        vec![
            kernel("destinations_full", counter::DESTINATIONS_FULL),
            kernel("connections_full", counter::CONNECTIONS_FULL),
            kernel("processes_full", counter::PROCESSES_FULL),
            kernel("overflow_full", counter::OVERFLOW_FULL),
            kernel("records_full", counter::RING_FULL),
            kernel("end_missed", counter::END_MISSED),
            Loss { stage: "kernel", reason: "read_failed", count: self.failed_reads },
            Loss { stage: "start", reason: "older_sockets", count: self.older.lost() },
            Loss { stage: "attribute", reason: "reload_failed", count: self.attribution.reload_failures() },
            Loss { stage: "ledger", reason: "apps_full", count: self.identities.folded },
        ]
    }

    fn map_use(&self, [destinations, overflow, connections, older]: [u64; 4]) -> Vec<MapUse> {
        let capacities = self.kernel.maps.capacities;
        let use_of = |map, entries, capacity| MapUse { map, entries, capacity: u64::from(capacity) };
        vec![
            use_of("destinations", destinations, capacities.destinations),
            use_of("processes", self.programs.registered(), capacities.processes),
            use_of("overflow", overflow, capacities.overflow),
            use_of("connections", connections, capacities.connections),
            use_of("older", older, capacities.older),
        ]
    }

    fn hooks(&self) -> Vec<HookState> {
        let state = |verdict: &crate::kernel::load::Verdict| HookState {
            signal: verdict.hook.gives.label(),
            hook: verdict.hook.attach.label(),
            attached: verdict.failure.is_none(),
        };
        self.kernel.verdicts.iter().map(state).collect()
    }
}

/// Counters of a program that was registered and has not counted anything.
const EMPTY: Counts =
    Counts { connections: 0, established: 0, sent: 0, received: 0, ended: 0, failed: [0; tracer_common::outcome::REASONS] };

fn place(known: &Known, key: &DestinationKey) -> Place {
    Place {
        identity: known.identity,
        destination: decode::destination(key),
        direction: decode::direction(key),
        protocol: decode::protocol(key),
    }
}

fn add(
    rows: &mut Rows,
    identities: &Identities,
    unattributed: &mut Tally,
    known: &Known,
    key: &DestinationKey,
    totals: &Totals,
) {
    if let Some(reason) = known.unattributed {
        unattributed.now[reason as usize] += totals.connections;
    }
    rows.add(identities.app(known.identity), place(known, key), totals);
}

fn book(programs: &Programs, durations: &mut DurationsByApp, record: &Record) {
    let Some(known) = programs.find(record.destination.process) else { return };
    match record.kind {
        record::ESTABLISHED => {
            durations.connect(known.identity, record.established_ns.saturating_sub(record.began_ns));
        }
        record::CLOSED => durations.connection(known.identity, record.at_ns.saturating_sub(record.established_ns)),
        _ => {}
    }
}
