//! When does a contact have its name, and where does it count then? Each is decided once, for good.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
};

use tracer_common::{
    Address, DestinationKey, Record,
    map::{DIRECTION_OUT, PROTOCOL_TCP},
    record::{ESTABLISHED, NO_CONTACT},
};

use super::{
    bypass::of_resolver,
    live::{Contact, Live},
    moved::Moved,
    sight,
};
use crate::{
    kernel::source::Kernel,
    model::{Bypass, Id, Name, Naming, Protocol, Totals},
    name::{self, Names, Request, Trace},
};

/// Nanoseconds after its handshake at which a contact is decided, whatever was heard of it.
const PATIENCE_NS: u64 = 3_000_000_000;
/// Readings after which one that is gone without a record has had none: the ring buffer had no room.
const READINGS: u8 = 3;

/// Names of contacts, by what tells a contact from every other one.
pub struct NamesOfContacts {
    names: Names,
    /// Whether names are looked for.
    is_on: bool,
    decided: HashMap<Id, Named>,
    /// Contacts that live and have no name for good, by a hash of what tells them apart: there may be hundreds of thousands. In which
    /// reading each was there last.
    nameless: HashMap<u64, u32>,
    hasher: RandomState,
    reading: u32,
    moved: Moved,
    /// How many ended contacts had a name of each source, and how many none.
    pub sources: [u64; 5],
}

/// A contact that lives and was shown under its name.
struct Named {
    name: Name,
    key: DestinationKey,
    /// What was shown.
    totals: Totals,
    /// In how many readings it was missing.
    missing: u8,
    bypass: Option<Bypass>,
}

/// What is known of the name of one that has ended.
pub struct Ended {
    pub name: Option<Name>,
    pub naming: Option<Naming>,
    /// Whether it was told while it lived how it came past the device's resolver, and that.
    pub is_told: bool,
    pub bypass: Option<Bypass>,
    /// Its hello is not what its stream begins with.
    pub is_behind: bool,
}

impl Named {
    /// It is there no more, and has no record.
    fn gone(&self, is_for_good: bool) -> Missing {
        Missing {
            key: self.key,
            name: self.name.clone(),
            totals: Totals {
                open: 0,
                ..self.totals
            },
            is_for_good,
        }
    }
}

/// A contact that was shown under its name, and is gone without a record.
pub struct Missing {
    pub key: DestinationKey,
    pub name: Name,
    /// What was shown of it.
    pub totals: Totals,
    /// No record comes any more.
    pub is_for_good: bool,
}

/// Where a contact that lives counts.
pub enum Standing {
    /// Nowhere yet.
    Undecided,
    Named(Name),
    Address,
}

impl NamesOfContacts {
    pub fn new(is_on: bool) -> Self {
        Self {
            names: Names::default(),
            is_on,
            decided: HashMap::new(),
            nameless: HashMap::new(),
            hasher: RandomState::new(),
            reading: 0,
            moved: Moved::default(),
            sources: [0; 5],
        }
    }

    /// A hash of all that tells a contact from every other one.
    fn whole_hash(&self, id: &Id) -> u64 {
        let Id {
            socket,
            began_ns,
            address,
            port,
        } = id;
        self.hasher.hash_one((socket, began_ns, address, port))
    }

    /// Takes what was heard since the last time.
    pub fn listen(&mut self, kernel: &mut Kernel) {
        if self.is_on {
            let names = &mut self.names;
            kernel.names(|event, bytes| names.take(event, bytes));
        }
    }

    /// How often there was no room for what might have said a name.
    pub fn lost(&self) -> u64 {
        self.names.lost()
    }

    /// Of which contacts names are told: of those that this machine began, over whatever protocol. Who pings a name has asked for it.
    fn concerns(&self, record: &Record) -> bool {
        self.is_on
            && record.destination.direction == DIRECTION_OUT
            && record.destination.overflow == 0
            && record.flags & NO_CONTACT == 0
    }

    /// Where a contact that lives counts, as of `now_ns`, and whether that is decided just now.
    pub fn stand(&mut self, id: &Id, contact: &Contact, now_ns: u64) -> (Standing, bool) {
        let record = &contact.record;
        if !self.concerns(record) {
            return (Standing::Address, false);
        }
        if let Some(named) = self.decided.get_mut(id) {
            named.missing = 0;
            return (Standing::Named(named.name.clone()), false);
        }
        let hash = self.whole_hash(id);
        if let Some(reading) = self.nameless.get_mut(&hash) {
            *reading = self.reading;
            return (Standing::Address, false);
        }
        if !self.is_decided(record, now_ns) {
            return (Standing::Undecided, false);
        }
        let Some(name) = self.names.name(&of(record)) else {
            self.nameless.insert(hash, self.reading);
            return (Standing::Address, true);
        };
        let standing = Standing::Named(name.clone());
        let named = Named {
            name,
            key: record.destination,
            totals: Totals::default(),
            missing: 0,
            bypass: None,
        };
        self.decided.insert(*id, named);
        (standing, true)
    }

    /// The name of one that lives, if it has one, and whether its hello is not what its stream begins with.
    pub fn said(&self, id: &Id) -> (Option<Name>, bool) {
        let name = self.decided.get(id).map(|named| named.name.clone());
        (name, self.names.is_behind(id))
    }

    /// How one that lives, and has a name, came past the device's resolver.
    pub fn tell(&mut self, id: &Id, bypass: Option<Bypass>) {
        if let Some(named) = self.decided.get_mut(id) {
            named.bypass = bypass;
        }
    }

    /// What was told of that. One without a name is told by its port alone.
    pub fn bypass(&self, id: &Id, record: &Record) -> Option<Bypass> {
        if let Some(named) = self.decided.get(id) {
            return named.bypass;
        }
        let is_nameless = self.nameless.contains_key(&self.whole_hash(id));
        is_nameless.then(|| of_resolver(record, None)).flatten()
    }

    /// Whether somebody asked for a name or was told an address.
    pub fn trace(&self, name: &str, address: &Address) -> Trace {
        self.names.trace(name, address)
    }

    /// Programs whose questions could not be read since the last time.
    pub fn unread(&mut self) -> HashSet<u64> {
        self.names.unread()
    }

    /// What was shown of one that counts under its name.
    pub fn shown(&mut self, id: &Id, totals: &Totals) {
        if let Some(named) = self.decided.get_mut(id) {
            named.totals = *totals;
        }
    }

    fn is_decided(&self, record: &Record, now_ns: u64) -> bool {
        let id = Id::of_record(record);
        if self.names.has_hello(&id) {
            return true;
        }
        let is_tcp = record.destination.protocol == PROTOCOL_TCP;
        let since_ns = match (is_tcp, record.outcome) {
            (false, _) => record.began_ns,
            (true, ESTABLISHED) => record.established_ns,
            // It may be under way for minutes.
            (true, _) => return false,
        };
        let is_silent = is_tcp && record.sent == 0 && record.received == 0;
        let may_hear = is_silent || self.names.may_hear(&id);
        !may_hear || now_ns.saturating_sub(since_ns) > PATIENCE_NS
    }

    /// The name of one that has ended, and what that stands on.
    pub fn end(&mut self, record: &Record) -> Ended {
        let id = Id::of_record(record);
        let named = self.decided.remove(&id);
        if !self.concerns(record) {
            return Ended {
                name: None,
                naming: None,
                is_told: false,
                bypass: None,
                is_behind: false,
            };
        }
        let (found, naming, is_behind) = self.names.end(&of(record));
        let is_nameless =
            !self.nameless.is_empty() && self.nameless.remove(&self.whole_hash(&id)).is_some();
        let is_told = named.is_some() || is_nameless;
        let (name, bypass) = match named {
            Some(named) => (Some(named.name), named.bypass),
            None if is_nameless => (None, of_resolver(record, None)),
            None => (found, None),
        };
        self.sources[name.as_ref().map_or(4, |name| name.source as usize)] += 1;
        Ended {
            name,
            naming,
            is_told,
            bypass,
            is_behind,
        }
    }

    /// The name of one that lives, if that is decided, and what is known so far.
    pub fn of_live(&self, id: &Id, record: &Record) -> (Option<Name>, Option<Naming>) {
        if !self.concerns(record) {
            return (None, None);
        }
        let name = self.decided.get(id).map(|named| named.name.clone());
        (name, self.names.naming(&of(record)))
    }

    /// Those that were shown under a name and are gone without a record, which may come yet. They are in the exact counters of their address, or will be with the next reading.
    pub fn missing(&mut self, live: &Live) -> Vec<Missing> {
        let mut missing = Vec::new();
        self.decided.retain(|id, named| {
            if live.contains_key(id) {
                return true;
            }
            named.missing = named.missing.saturating_add(1);
            let is_for_good = named.missing >= READINGS;
            missing.push(named.gone(is_for_good));
            !is_for_good
        });
        let reading = self.reading;
        self.nameless.retain(|_, last| *last == reading);
        self.reading = reading.wrapping_add(1);
        for missing in missing.iter().filter(|missing| missing.is_for_good) {
            self.moved.add(&missing.key, &missing.totals);
        }
        self.names.keep(|id| live.contains_key(id));
        missing
    }

    /// Those that were shown under a name and are a program's that is gone, with all its records: none comes any more.
    pub fn left(&mut self, process: u64) -> Vec<Missing> {
        let of_it = self
            .decided
            .extract_if(|_, named| named.key.process == process);
        let left: Vec<_> = of_it.map(|(_, named)| named.gone(true)).collect();
        for missing in &left {
            self.moved.add(&missing.key, &missing.totals);
        }
        left
    }

    /// Takes out of the exact counters what counts under names.
    pub fn without_named(&self, counters: &mut [(DestinationKey, Totals)], missing: &[Missing]) {
        let for_now = missing.iter().filter(|missing| !missing.is_for_good);
        let for_now = for_now.map(|missing| (&missing.key, &missing.totals));
        self.moved.take_out(counters, for_now);
    }

    /// The same of an exact counter that will not be read again.
    pub fn settle(&mut self, key: &DestinationKey, totals: &mut Totals) {
        self.moved.settle(key, totals);
    }

    /// Names that were asked for since the last time.
    pub fn requests(&mut self) -> Vec<Request> {
        self.names.requests()
    }

    /// A program has ended, perhaps in a call of its C library.
    pub fn end_questions(&mut self, process: u64) {
        self.names.end_questions(process);
    }

    /// A program is gone, with all of its contacts.
    pub fn forget(&mut self, process: u64) {
        self.names.forget(process);
        self.moved.forget(process);
    }
}

fn of(record: &Record) -> name::Contact {
    name::Contact {
        id: Id::of_record(record),
        process: record.destination.process,
        thread: record.thread,
    }
}

impl super::Pipeline {
    /// Takes what may say a name.
    pub fn listen(&mut self) {
        self.book.listen(&mut self.kernel);
    }

    /// Contacts that are in no row yet.
    pub(super) fn undecided(&self) -> Vec<(u32, Protocol, u64)> {
        let all = self.book.undecided.iter();
        all.map(|((identity, protocol), count)| (*identity, *protocol, *count))
            .collect()
    }
}

impl super::Book {
    /// Takes what may say a name, and looks what was lost of it.
    pub(super) fn listen(&mut self, kernel: &mut Kernel) {
        self.naming.listen(kernel);
        let further = self.unread.take(self.naming.unread());
        self.unread_lost += further;
        let losses = sight::lost(kernel) + self.naming.lost() + self.unread_lost;
        self.sight.see(losses);
    }
}

#[cfg(test)]
mod tests;
