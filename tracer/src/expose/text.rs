//! A snapshot as a stream of text.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use bytes::Bytes;
use prometheus::proto::MetricFamily;

use super::{
    destinations, durations,
    format::{Format, Kind},
    names, own,
    rows::{self, Measure},
    state,
};
use crate::model::{Destination, Row, Snapshot};

/// A chunk is full from here on. About as much as the socket takes at once, and 50 µs of work between two chances for other
/// tasks to run.
pub const CHUNK: usize = 64 * 1024;

/// Room for what is still written when a chunk is nearly full: the longest line of a row with ordinary names, or one
/// histogram. Longer ones make that chunk grow.
const MARGIN: usize = 4 * 1024;

/// One piece of the exposition. The formats demand that all samples of a family stand together, so a row is written
/// once per family and not all at once.
#[derive(Clone, Copy)]
enum Section {
    Rows(Measure),
    ConnectDurations,
    ConnectionDurations,
    Undecided,
    Lookups,
    Bypasses,
    Destinations,
    Apps,
    Rest,
}

const SECTIONS: [Section; 14] = [
    Section::Rows(Measure::Connections),
    Section::Rows(Measure::Established),
    Section::Rows(Measure::Failed),
    Section::Rows(Measure::Open),
    Section::Rows(Measure::Sent),
    Section::Rows(Measure::Received),
    Section::ConnectDurations,
    Section::ConnectionDurations,
    Section::Undecided,
    Section::Lookups,
    Section::Bypasses,
    Section::Destinations,
    Section::Apps,
    Section::Rest,
];

/// Rows that are looked at for their destinations between two chances for other tasks: of most there is nothing new to say.
const LOOKS: usize = 512;

/// Yields the text of a snapshot in chunks of about [`CHUNK`] bytes; where nothing is to be said for long, in emptier ones. Holds one of them
/// at a time, and eight bytes for each destination, so the memory it needs hardly grows with the number of series.
pub struct Exposition {
    snapshot: Arc<Snapshot>,
    own: Vec<MetricFamily>,
    format: Format,
    prefixes: Vec<Box<[u8]>>,
    nameless: Box<[u8]>,
    section: usize,
    /// How far the section is written. `None`: not even described.
    position: Option<Position>,
    /// Destinations that were told of, by their hashes: each has many rows.
    told: HashSet<u64>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Default)]
struct Position {
    block: usize,
    item: usize,
}

impl Exposition {
    /// `own` comes from [`own::OwnMetrics::gather`].
    pub fn new(snapshot: Arc<Snapshot>, own: Vec<MetricFamily>, format: Format) -> Self {
        let prefixes = rows::prefixes(&snapshot.identities);
        let nameless = rows::prefix("", "");
        Self {
            snapshot,
            own,
            format,
            prefixes,
            nameless,
            section: 0,
            position: None,
            told: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// Writes on in a section. `None` once it is complete, else where to go on.
    fn proceed(&mut self, out: &mut Vec<u8>, section: Section) -> Option<Position> {
        if self.position.is_none() {
            self.describe(out, section);
        }
        let position = self.position.unwrap_or_default();
        let snapshot = &*Arc::clone(&self.snapshot);
        match section {
            Section::Rows(measure) => self.rows(out, measure, position),
            Section::ConnectDurations => each(
                out,
                &snapshot.connect_durations,
                position,
                |out, (app, company, times)| {
                    durations::write(
                        out,
                        durations::CONNECT,
                        &[("app", app), ("company", company)],
                        times,
                    );
                },
            ),
            Section::ConnectionDurations => each(
                out,
                &snapshot.connection_durations,
                position,
                |out, (app, times)| {
                    durations::write(out, durations::CONNECTION, &[("app", app)], times);
                },
            ),
            Section::Undecided => each(out, &snapshot.undecided, position, |out, undecided| {
                names::undecided(out, &snapshot.identities, undecided);
            }),
            Section::Lookups => each(out, &snapshot.lookups, position, |out, lookups| {
                names::lookups(out, &snapshot.identities, lookups);
            }),
            Section::Bypasses => each(out, &snapshot.bypasses, position, |out, bypasses| {
                names::bypasses(out, &snapshot.identities, bypasses);
            }),
            Section::Destinations => self.destinations(out, position),
            // The first identity is that of what has none.
            Section::Apps => each(
                out,
                snapshot.identities.get(1..).unwrap_or_default(),
                position,
                state::app,
            ),
            Section::Rest => {
                state::write(out, self.format, snapshot);
                for family in &self.own {
                    own::write(out, self.format, family);
                }
                self.format.end(out);
                None
            }
        }
    }

    fn describe(&self, out: &mut Vec<u8>, section: Section) {
        let (name, kind, help) = match section {
            Section::Rows(measure) => (measure.name(), measure.kind(), measure.help()),
            Section::ConnectDurations => {
                (durations::CONNECT, Kind::Histogram, durations::CONNECT_HELP)
            }
            Section::ConnectionDurations => (
                durations::CONNECTION,
                Kind::Histogram,
                durations::CONNECTION_HELP,
            ),
            Section::Undecided => (names::UNDECIDED, Kind::Gauge, names::UNDECIDED_HELP),
            Section::Lookups => (names::LOOKUPS, Kind::Counter, names::LOOKUPS_HELP),
            Section::Bypasses => (names::BYPASSES, Kind::Counter, names::BYPASSES_HELP),
            Section::Destinations => (destinations::NAME, Kind::Gauge, destinations::HELP),
            Section::Apps => (state::APP, Kind::Gauge, state::APP_HELP),
            Section::Rest => return,
        };
        self.format.describe(out, name, kind, help);
    }

    fn rows(&self, out: &mut Vec<u8>, measure: Measure, position: Position) -> Option<Position> {
        each_row(out, &self.snapshot, position, |out, row| {
            let prefix = self
                .prefixes
                .get(row.identity as usize)
                .unwrap_or(&self.nameless);
            measure.write(out, prefix, row);
        })
    }

    fn destinations(&mut self, out: &mut Vec<u8>, position: Position) -> Option<Position> {
        let facts = self.snapshot.facts.as_deref()?;
        let mut item = position.item;
        let mut looks = 0;
        for (block, rows) in self.snapshot.rows.iter().enumerate().skip(position.block) {
            for row in rows.iter().skip(item) {
                if out.len() >= CHUNK || looks >= LOOKS {
                    return Some(Position { block, item });
                }
                item += 1;
                looks += 1;
                let hash = match &row.destination {
                    Destination::Named { name, .. } => self.hasher.hash_one(name),
                    // Without names, an address has rows of several companies.
                    Destination::Address { address, .. } => {
                        self.hasher.hash_one((address, row.company))
                    }
                    // Each company's.
                    Destination::Other if !row.company.is_empty() => {
                        self.hasher.hash_one((row.company, 0))
                    }
                    Destination::Other | Destination::Unknown => continue,
                };
                if self.told.insert(hash) {
                    destinations::write(out, facts, row);
                }
            }
            item = 0;
        }
        None
    }
}

/// Writes rows until the chunk is full. `None` when none is left, else where to go on.
fn each_row(
    out: &mut Vec<u8>,
    snapshot: &Snapshot,
    position: Position,
    mut write: impl FnMut(&mut Vec<u8>, &Row),
) -> Option<Position> {
    let mut item = position.item;
    for (block, rows) in snapshot.rows.iter().enumerate().skip(position.block) {
        let next = each(out, rows, Position { block, item }, &mut write);
        if next.is_some() {
            return next;
        }
        item = 0;
    }
    None
}

/// Writes items until the chunk is full. `None` when none is left, else where to go on.
fn each<T>(
    out: &mut Vec<u8>,
    items: &[T],
    position: Position,
    mut write: impl FnMut(&mut Vec<u8>, &T),
) -> Option<Position> {
    for (index, item) in items.iter().enumerate().skip(position.item) {
        if out.len() >= CHUNK {
            return Some(Position {
                item: index,
                ..position
            });
        }
        write(out, item);
    }
    None
}

impl Iterator for Exposition {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::with_capacity(CHUNK + MARGIN);
        while out.len() < CHUNK {
            let Some(section) = SECTIONS.get(self.section) else {
                break;
            };
            self.position = self.proceed(&mut out, *section);
            if self.position.is_some() {
                // It has written, or looked for, as much as is done at once.
                return Some(out.into());
            }
            self.section += 1;
        }
        (!out.is_empty()).then(|| out.into())
    }
}
