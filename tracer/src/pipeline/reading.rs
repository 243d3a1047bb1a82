//! One reading: all contacts that live and that have ended, into the rows.

use std::{io, thread};

use tracer_common::{
    DestinationKey,
    map::{DIRECTION_OUT, PROTOCOL_TCP},
    record::LATE,
};

use super::{
    Book, Pipeline,
    live::{Contact, Live},
    naming::{Missing, Standing},
    programs::{Known, WRITTEN},
};
use crate::{
    decode,
    kernel::source,
    ledger::Place,
    model::{Country, Destination, Id, Name, Totals},
};

/// How many entries each map has.
#[derive(Default)]
pub(super) struct Entries {
    pub destinations: u64,
    pub overflow: u64,
    pub connections: u64,
    pub flows: u64,
    pub sockets: u64,
    pub older: u64,
}

impl Pipeline {
    /// All of it; returns the entries of the maps, and what lives.
    ///
    /// The order matters: the exact counters, then what lives, then the ring buffer. A contact that ends meanwhile has a record,
    /// which takes it out of those that live. One whose record finds no room may be in neither for a moment, if it ended between
    /// the first two, and comes with the next reading; what is shown does not fall meanwhile. None is ever in two.
    pub(super) fn read(&mut self) -> io::Result<(Entries, Live)> {
        let mut counters = Vec::new();
        let own = self.kernel.own_handle;
        let [destinations, overflow] = self.kernel.destinations(|key, counts| {
            if key.process != own {
                counters.push((*key, decode::totals(counts)));
            }
        })?;
        let mut live = Live::default();
        let connections = self.read_connections(&mut live)?;
        let (flows, sockets) = self.read_flows(Some(&mut live))?;
        // Whoever asks for this reading may have begun just before.
        if self.learn() {
            thread::sleep(WRITTEN);
        }
        self.drain_beside(&mut live);
        // The records of those that have ended since the last reading have been drained.
        self.book.observed.retain(|id| live.contains_key(id));
        self.book.begin();
        let now_ns = source::monotonic_ns();
        for (id, contact) in &live {
            // One of a program that is not known even now comes with the next reading: under nobody's name it would have to go away
            // again, and counters do not go down.
            if let Some(known) = self.programs.find(contact.record.destination.process) {
                self.book.add_live(known, id, contact, now_ns);
            }
        }
        let missing = self.book.naming.missing(&live);
        for missing in &missing {
            if let Some(known) = self.programs.find(missing.key.process) {
                self.book.add_missing(known, missing);
            }
        }
        self.book.naming.without_named(&mut counters, &missing);
        for (key, totals) in &counters {
            if let Some(known) = self.programs.find(key.process) {
                self.book.add(known, key, totals);
            }
        }
        let entries = Entries {
            destinations,
            overflow,
            connections,
            flows,
            sockets,
            older: self.read_older(),
        };
        Ok((entries, live))
    }
}

impl Book {
    /// Begins a reading.
    fn begin(&mut self) {
        self.rows.begin();
        self.undecided.clear();
        self.unattributed.now = Default::default();
    }

    /// Adds numbers of a program at a destination to this reading.
    pub(super) fn add(&mut self, known: &Known, key: &DestinationKey, totals: &Totals) {
        let place = self.place(known, key);
        self.add_at(known, place, totals);
    }

    fn add_at(&mut self, known: &Known, place: Place, totals: &Totals) {
        if let Some(reason) = known.unattributed {
            self.unattributed.now[reason as usize] += totals.connections;
        }
        self.rows
            .add(self.identities.app(known.identity), place, totals);
    }

    /// Adds a contact that lives, once it is decided under which name.
    fn add_live(&mut self, known: &Known, id: &Id, contact: &Contact, now_ns: u64) {
        let key = &contact.record.destination;
        let totals = decode::live(&contact.record, contact.is_open);
        let (standing, is_new) = self.naming.stand(id, contact, now_ns);
        if is_new {
            let (name, is_behind) = self.naming.said(id);
            self.contacted(name.as_ref(), key);
            let bypass = self.judge(known, &contact.record, name.as_ref(), is_behind);
            self.naming.tell(id, bypass);
        }
        match standing {
            Standing::Address => {
                let place = self.place(known, key);
                self.observe(known, id, contact, &place);
                self.add_at(known, place, &totals);
            }
            Standing::Named(name) => {
                self.naming.shown(id, &totals);
                let place = self.place_of_name(known, key, name);
                self.observe(known, id, contact, &place);
                self.add_at(known, place, &totals);
            }
            Standing::Undecided => {
                let protocol = decode::protocol(key);
                *self
                    .undecided
                    .entry((known.identity, protocol))
                    .or_default() += 1;
            }
        }
    }

    /// Notes under which name an address was contacted, once for each contact.
    pub(super) fn contacted(&mut self, name: Option<&Name>, key: &DestinationKey) {
        if let (Some(name), Destination::Address { address, .. }) = (name, decode::destination(key))
        {
            self.destinations.contacted(&name.text, address);
        }
    }

    /// The handshake of a connection that lives, once.
    fn observe(&mut self, known: &Known, id: &Id, contact: &Contact, place: &Place) {
        let record = &contact.record;
        let has_times = contact.is_open
            && record.destination.protocol == PROTOCOL_TCP
            && record.destination.direction == DIRECTION_OUT
            && record.flags & LATE == 0;
        if has_times && self.observed.insert(*id) {
            let took = record.established_ns.saturating_sub(record.began_ns);
            self.durations.connect(known.identity, place.company, took);
        }
    }

    /// Adds one that was shown under its name, and for whose record there was no room.
    fn add_missing(&mut self, known: &Known, missing: &Missing) {
        let place = self.place_of_name(known, &missing.key, missing.name.clone());
        if missing.is_for_good {
            self.retire_at(known, place, &missing.totals);
        } else {
            self.add_at(known, place, &missing.totals);
        }
    }

    /// The same of all that a program has left, before its last counters go where they belong.
    pub(super) fn retire_left(&mut self, known: &Known, process: u64) {
        for missing in self.naming.left(process) {
            let place = self.place_of_name(known, &missing.key, missing.name);
            self.retire_at(known, place, &missing.totals);
        }
    }

    /// The place of what counts under a name.
    pub(super) fn place_of_name(
        &mut self,
        known: &Known,
        key: &DestinationKey,
        name: Name,
    ) -> Place {
        let address = self.place(known, key);
        let company = self.destinations.company(&name.text);
        if !self.sums_by_name {
            return Place { company, ..address };
        }
        Place {
            company,
            destination: Destination::Named {
                name: name.text,
                source: name.source,
                port: key.port,
            },
            ..address
        }
    }

    /// The place of what has no name.
    pub(super) fn place(&mut self, known: &Known, key: &DestinationKey) -> Place {
        let destination = decode::destination(key);
        let country = match destination {
            Destination::Address { address, .. } => self.destinations.country(address),
            _ => Country::default(),
        };
        Place {
            identity: known.identity,
            destination,
            company: "",
            country,
            direction: decode::direction(key),
            protocol: decode::protocol(key),
        }
    }
}
