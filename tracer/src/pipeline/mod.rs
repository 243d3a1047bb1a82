//! The one place where the stages meet. One task owns a [`Pipeline`]; readers get finished snapshots.

mod attempts;
mod fast_flows;
mod flows;
mod older;
mod places;
mod programs;
mod reading;
mod reap;
mod report;

use std::{collections::HashMap, io, sync::Arc};

use tracer_common::{Record, record};

use crate::{
    attribute::Attribution,
    kernel::{fast_flows::FastFlows, source::Kernel},
    ledger::{DurationsByApp, Identities, Rows},
    model::{Snapshot, Unattributed},
};

use older::OlderSockets;
use programs::{Known, Programs};

/// Details that are kept of programs without a name.
const EARLY: usize = 1024;

/// All state of a running tracer.
pub struct Pipeline {
    kernel: Kernel,
    attribution: Attribution,
    programs: Programs,
    older: OlderSockets,
    /// Sockets of datagrams that are closed and still have flows, and in which second that was seen.
    closing: HashMap<u64, u32>,
    fast: Option<FastFlows>,
    identities: Identities,
    rows: Rows,
    durations: DurationsByApp,
    unattributed: Tally,
    /// Reads of the kernel's maps that failed; the next one makes up for it.
    failed_reads: u64,
    /// Details of programs that have no name yet.
    early: Vec<Record>,
    /// Details of programs that were forgotten before they were read.
    lost_records: u64,
    /// Seconds since the start, as the kernel side was told last.
    second: u32,
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
        let fast = kernel.fast_flows();
        let mut pipeline = Self {
            kernel,
            attribution,
            programs: Programs::default(),
            older: OlderSockets::default(),
            closing: HashMap::new(),
            fast,
            identities: Identities::default(),
            rows: Rows::new(maximum_destinations),
            durations: DurationsByApp::default(),
            unattributed: Tally::default(),
            failed_reads: 0,
            early: Vec::new(),
            lost_records: 0,
            second: 0,
        };
        pipeline.adopt();
        pipeline
    }

    pub fn attribution(&mut self) -> &mut Attribution {
        &mut self.attribution
    }

    pub fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// Says how many seconds have passed since the start; the kernel side marks with it when a datagram passed last.
    pub fn set_second(&mut self, second: u32) {
        if second != self.second {
            self.second = second;
            self.kernel.set_second(second);
            if let Some(fast) = &self.fast {
                fast.set_second(second);
            }
        }
    }

    /// Books the details that wait in the ring buffer.
    pub fn drain(&mut self) {
        self.learn();
        let Self {
            kernel,
            programs,
            durations,
            ..
        } = self;
        let own = kernel.own_handle;
        let mut early = std::mem::take(&mut self.early);
        kernel.records(|record| {
            if record.destination.process == own {
                return;
            }
            match programs.find(record.destination.process) {
                Some(known) => book(known, durations, record),
                None => early.push(*record),
            }
        });
        // Programs that came while the ring buffer was being read.
        if !early.is_empty() {
            self.learn();
        }
        for record in early {
            let handle = record.destination.process;
            match self.programs.find(handle) {
                Some(known) => book(known, &mut self.durations, &record),
                None if self.programs.is_unsettled(handle) && self.early.len() < EARLY => {
                    self.early.push(record);
                }
                None => self.lost_records += 1,
            }
        }
    }

    /// The picture at this moment. Where the kernel could not be read there is none: a picture of a part would show
    /// counters that go down.
    pub fn snapshot(&mut self) -> io::Result<Arc<Snapshot>> {
        self.follow_packages();
        self.drain();
        self.end_attempts()
            .inspect_err(|_| self.failed_reads += 1)?;
        let open = self.end_flows().inspect_err(|_| self.failed_reads += 1)?;
        self.rows.begin();
        self.unattributed.now = Default::default();
        let entries = self.read(&open).inspect_err(|_| self.failed_reads += 1)?;
        let rows = self.rows.finish();
        Ok(Arc::new(Snapshot {
            identities: self.identities.all(),
            rows,
            connect_durations: self.durations.connects(&self.identities),
            connection_durations: self.durations.connections(&self.identities),
            unattributed: self.unattributed(),
            losses: self.losses(),
            folded: self.rows.folded(),
            maps: self.map_use(&entries),
            hooks: self.hooks(),
        }))
    }
}

fn book(known: &Known, durations: &mut DurationsByApp, record: &Record) {
    match record.kind {
        record::ESTABLISHED => {
            durations.connect(
                known.identity,
                record.established_ns.saturating_sub(record.began_ns),
            );
        }
        // Where the handshake was missed nobody knows how long it lasted.
        record::CLOSED if record.established_ns != 0 => durations.connection(
            known.identity,
            record.at_ns.saturating_sub(record.established_ns),
        ),
        _ => {}
    }
}
