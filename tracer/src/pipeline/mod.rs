//! The one place where the stages meet. One task owns a [`Pipeline`]; readers get finished snapshots.

mod attempts;
mod bypass;
mod contact;
mod destinations;
mod details;
mod ended;
mod explain;
mod fast_flows;
mod flows;
mod followed;
mod live;
mod moved;
mod naming;
mod older;
mod places;
mod programs;
mod reading;
mod reap;
mod report;
mod requests;
mod sight;

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use crate::{
    attribute::Attribution,
    enrich::Databases,
    kernel::{fast_flows::FastFlows, source::Kernel},
    ledger::{BypassesByApp, Contacts, DurationsByApp, Identities, LookupsByApp, Rows},
    model::{ContactList, Id, Protocol, Snapshot, Unattributed},
};

use contact::Seen;
use destinations::Destinations;
use details::Details;
use ended::Waiting;
use explain::Explained;
use followed::OlderSockets;
use naming::NamesOfContacts;
use programs::Programs;
use requests::Requests;
use sight::{Sight, Unread};

/// All state of a running tracer.
pub struct Pipeline {
    kernel: Kernel,
    attribution: Attribution,
    programs: Programs,
    older: OlderSockets,
    /// Sockets of datagrams that are closed and still have flows, and in which second that was seen.
    closing: HashMap<u64, u32>,
    fast: Option<FastFlows>,
    book: Book,
    /// Reads of the kernel's maps that failed; the next one makes up for it.
    failed_reads: u64,
    /// Calls that sent a datagram, and of whose return nothing was seen until their thread had ended.
    unreturned: u64,
    waiting: Waiting,
    /// Ended contacts whose programs got no name in time.
    lost_records: u64,
    requests: Requests,
    /// Seconds since the start, as the kernel side was told last.
    second: u32,
}

/// What a user may choose.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Destinations of one app that get rows of their own.
    pub maximum_destinations: u32,
    /// Whether names are looked for.
    pub names: bool,
    /// Whether a destination with a name is summed by that, and not by its address.
    pub sums_by_name: bool,
    /// What says where addresses are.
    pub databases: &'static Databases,
}

/// Where contacts are added up.
struct Book {
    identities: Identities,
    rows: Rows,
    durations: DurationsByApp,
    unattributed: Tally,
    /// Live connections whose handshake is in the histogram.
    observed: HashSet<Id>,
    contacts: Contacts,
    seen: Seen,
    details: Details,
    naming: NamesOfContacts,
    destinations: Destinations,
    /// Whether a destination with a name is summed by that, and not by its address.
    sums_by_name: bool,
    /// Contacts that are in no row yet, by identity and protocol.
    undecided: HashMap<(u32, Protocol), u64>,
    lookups: LookupsByApp,
    bypasses: BypassesByApp,
    sight: Sight,
    unread: Unread,
    /// Programs whose questions could not be read and that found no room to be noted.
    unread_lost: u64,
    /// Contacts of which it is not known whether a lookup was made, as there was no room to remember all.
    unjudged: u64,
}

/// Contacts of programs without a name, by [`Unattributed`]: those that live, those that have ended, and what was shown last.
#[derive(Default)]
struct Tally {
    now: [u64; Unattributed::ALL.len()],
    retired: [u64; Unattributed::ALL.len()],
    shown: [u64; Unattributed::ALL.len()],
}

impl Pipeline {
    /// Takes a running kernel side and begins to follow the sockets that are there already.
    pub fn new(kernel: Kernel, attribution: Attribution, options: Options) -> Self {
        let fast = kernel.fast_flows();
        let sight = Sight::new(&kernel);
        let mut pipeline = Self {
            kernel,
            attribution,
            programs: Programs::default(),
            older: OlderSockets::default(),
            closing: HashMap::new(),
            fast,
            book: Book {
                identities: Identities::default(),
                rows: Rows::new(options.maximum_destinations),
                durations: DurationsByApp::default(),
                unattributed: Tally::default(),
                observed: HashSet::new(),
                contacts: Contacts::default(),
                seen: Seen::default(),
                details: Details::default(),
                naming: NamesOfContacts::new(options.names),
                destinations: Destinations::new(options.databases),
                sums_by_name: options.sums_by_name,
                undecided: HashMap::new(),
                lookups: LookupsByApp::new(options.maximum_destinations),
                bypasses: BypassesByApp::default(),
                sight,
                unread: Unread::default(),
                unread_lost: 0,
                unjudged: 0,
            },
            failed_reads: 0,
            unreturned: 0,
            waiting: Waiting::default(),
            lost_records: 0,
            requests: Requests::default(),
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
            if let Some(lookups) = &mut self.kernel.lookups {
                lookups.check();
            }
            if let Some(fast) = &self.fast {
                fast.set_second(second);
            }
        }
    }

    /// The picture at this moment, `contacts` with all of them one by one. Where the kernel could not be read there is none: a
    /// picture of a part would show counters that go down.
    pub fn snapshot(&mut self, contacts: bool) -> io::Result<Arc<Snapshot>> {
        self.follow_packages();
        self.drain();
        let (entries, live) = self.read().inspect_err(|_| self.failed_reads += 1)?;
        let contacts = if contacts {
            let live = self.live_contacts(&live);
            self.book.contacts.list(live)
        } else {
            ContactList::default()
        };
        let rows = self.book.rows.finish();
        self.book.destinations.make_room(&rows);
        Ok(Arc::new(Snapshot {
            facts: Some(Arc::new(Explained::new(&self.book.destinations))),
            identities: self.book.identities.all(),
            rows,
            connect_durations: self.book.durations.connects(&self.book.identities),
            connection_durations: self.book.durations.connections(&self.book.identities),
            unattributed: self.unattributed(),
            losses: self.losses(),
            folded: self.book.rows.folded(),
            maps: self.map_use(&entries),
            tables: self.tables(),
            hooks: self.hooks(),
            contacts,
            undecided: self.undecided(),
            lookups: self.book.lookups.all(),
            bypasses: self.book.bypasses.all(),
            name_sources: self.book.naming.sources,
        }))
    }
}
