//! The nouns that the stages hand to each other.

mod block;
mod contact;
mod contact_list;
mod fact;
mod packed;
mod sums;

use std::{net::IpAddr, sync::Arc};

use tracer_common::outcome::REASONS;

pub use block::{Block, Kept};
pub use contact::{
    Bypass, Candidate, Contact, Detail, Endpoint, Id, Name, NameSource, Naming, Outcome, Owner, Via,
};
pub use contact_list::ContactList;
pub use fact::{About, DestinationInfo, Fact, Facts};
pub use sums::Sums;

/// What the kernel side wrote down of a program at its first contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Thread group id (what user space calls PID) in the initial PID namespace. `None` where no process was found.
    pub process: Option<u32>,
    /// When that process was started: nanoseconds since boot, suspend included. `None` of one older than
    /// the tracer, of which `/proc` tells it to the tick (10 ms) only.
    pub started_ns: Option<u64>,
    /// Real user id in the initial user namespace.
    pub uid: u32,
    /// File name (not path) of the executable. `None` for a kernel thread, or where the kernel could not read it.
    pub executable: Option<String>,
    /// First argument of the command line. `None` where it was not in memory.
    pub command: Option<String>,
    /// Path of the control group from the root of its hierarchy, `/a/b`. `None` where it could not be read. One that was
    /// cut ends with `/…`.
    pub cgroup: Option<String>,
    /// The same in the unified hierarchy, where `cgroup` is of a hierarchy of the first version: on hybrid machines the
    /// system's services and containers are in both, a user's desktop apps only in this one.
    pub unified: Option<String>,
    /// A thread of the kernel itself.
    pub kernel_thread: bool,
}

/// What kind of thing gave an app its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Android,
    Container,
    Service,
    Desktop,
    Executable,
}

impl Kind {
    /// The value of the label `kind`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Container => "container",
            Self::Service => "service",
            Self::Desktop => "desktop",
            Self::Executable => "executable",
        }
    }
}

/// Who made a contact. Two programs with the same identity are one app to every reader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The label `app`.
    pub app: Arc<str>,
    /// The label `user`: the Android user's number, else the user's name, else its number.
    pub user: Arc<str>,
    pub uid: u32,
    pub kind: Kind,
    /// `versionCode` on Android, else empty.
    pub version: Arc<str>,
}

/// Why a program has no identity: the label `reason` of `tracer_unattributed_connections_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unattributed {
    /// The kernel side had no room to register it.
    ProcessTableFull,
    /// Nothing that could name it was readable when it made its first contact.
    NoName,
    /// A socket older than the tracer that no process held when the tracer started.
    NoOwner,
}

impl Unattributed {
    pub const ALL: [Self; 3] = [Self::ProcessTableFull, Self::NoName, Self::NoOwner];

    /// The value of the label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::ProcessTableFull => "process_table_full",
            Self::NoName => "no_name",
            Self::NoOwner => "no_owner",
        }
    }
}

/// The label `direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Out,
    In,
}

impl Direction {
    pub fn label(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

/// The label `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
    Icmp,
    /// Whatever else a program sends over IP, or past it.
    Raw,
}

impl Protocol {
    pub fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Icmp => "icmp",
            Self::Raw => "raw",
        }
    }
}

/// A country by ISO 3166-1 alpha-2, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// One by its two letters; anything that is no two capital letters is none.
    pub fn new(letters: [u8; 2]) -> Self {
        if letters.iter().all(u8::is_ascii_uppercase) {
            Self(letters)
        } else {
            Self::default()
        }
    }

    /// The value of the label `country`: empty where it is not known.
    pub fn label(&self) -> &str {
        let letters = if self.0 == [0; 2] { &[][..] } else { &self.0 };
        std::str::from_utf8(letters).unwrap_or_default()
    }
}

/// Whom an app contacted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// By its name, whatever address that had.
    Named {
        name: Arc<str>,
        source: NameSource,
        port: u16,
    },
    /// An IPv4 address is never written as v4-mapped IPv6 here.
    Address { address: IpAddr, port: u16 },
    /// What found no room of its own: `~other`. It has no port.
    Other,
    /// Frames that are not IP say of no address whom they are for: the empty string.
    Unknown,
}

/// The numbers of one row. All but `open` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub connections: u64,
    pub established: u64,
    /// By reason, in the order of [`tracer_common::outcome::NAMES`].
    pub failed: [u64; REASONS],
    /// Established and not yet closed.
    pub open: u64,
    /// Payload bytes, those of open connections included.
    pub sent: u64,
    pub received: u64,
}

/// One app at one destination: one series of each per-destination family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index into [`Snapshot::identities`].
    pub identity: u32,
    pub destination: Destination,
    /// Who controls the destination's name: the label `company`, empty where that is not known. What is folded keeps it.
    pub company: &'static str,
    /// In which country its address is: the label `country`. What is folded keeps it.
    pub country: Country,
    pub direction: Direction,
    pub protocol: Protocol,
    pub sums: Sums,
    /// As [`Totals::open`].
    pub open: u64,
}

impl Row {
    pub fn totals(&self) -> Totals {
        Totals {
            open: self.open,
            ..self.sums.totals()
        }
    }
}

/// Upper bounds of the buckets of both duration histograms, in seconds. From a connect over loopback (50 µs) to a
/// connection that lives a day; a factor of about 3 between two. The last bucket, `+Inf`, stands behind them.
pub const DURATION_BOUNDS: [f64; 16] = [
    0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1_000.0,
    10_000.0, 100_000.0,
];

/// A histogram over [`DURATION_BOUNDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Durations {
    /// Observations per bucket, not cumulative; the last one is `+Inf`.
    pub buckets: [u64; DURATION_BOUNDS.len() + 1],
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

impl Durations {
    pub fn observe(&mut self, seconds: f64) {
        let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket] += 1;
        self.sum += seconds;
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What the tracer lost: labels `stage` and `reason` of `tracer_lost_total`, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    pub stage: &'static str,
    pub reason: &'static str,
    pub count: u64,
}

/// How full a kernel map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapUse {
    pub map: &'static str,
    pub entries: u64,
    pub capacity: u64,
}

/// Which hook serves a signal, and whether it is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    pub signal: &'static str,
    pub hook: &'static str,
    pub attached: bool,
    /// Events at which the kernel did not run it, because it would have interrupted itself on its processor.
    pub missed: u64,
}

/// How often an app asked for a name; the name `~other` stands for those that found no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookups {
    /// As [`Row::identity`].
    pub identity: u32,
    pub name: Arc<str>,
    pub via: Via,
    pub count: u64,
}

/// How many contacts of an app came past the device's resolver in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bypasses {
    /// As [`Row::identity`].
    pub identity: u32,
    pub kind: Bypass,
    pub count: u64,
}

/// All that a reader sees, at one moment. It never changes once it is made.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Who [`Row::identity`] means. Index 0 is the identity of what has none: empty names. So has a place that is vacant, of
    /// which there is no row.
    pub identities: Arc<Vec<Identity>>,
    /// Rows in blocks that successive snapshots share where nothing changed. No two rows have the same labels.
    pub rows: Vec<Arc<Vec<Row>>>,
    /// `(app, company)`: SYN to established.
    pub connect_durations: Vec<(Arc<str>, &'static str, Durations)>,
    /// `app`: established to closed.
    pub connection_durations: Vec<(Arc<str>, Durations)>,
    pub unattributed: Vec<(Unattributed, u64)>,
    pub losses: Vec<Loss>,
    /// Destinations that were folded into `~other`.
    pub folded: u64,
    pub maps: Vec<MapUse>,
    /// What each takes of the kernel's memory, in bytes.
    pub tables: Vec<(Arc<str>, u64)>,
    pub hooks: Vec<HookState>,
    /// The contacts one by one.
    pub contacts: ContactList,
    /// Contacts that are in no row yet, since their name is not decided: identity, protocol, how many.
    pub undecided: Vec<(u32, Protocol, u64)>,
    /// Names that were asked for: identity, name, how, how often.
    pub lookups: Vec<Lookups>,
    pub bypasses: Vec<Bypasses>,
    /// Who knows what the sources say of destinations.
    pub facts: Option<Arc<dyn Facts>>,
    /// How many ended contacts that this machine began were named by each source, in the order of [`NameSource`], and by none.
    pub name_sources: [u64; 5],
}
