//! Sockets older than the tracer, followed to their end.

use std::collections::{HashMap, HashSet};

use netlink_packet_sock_diag::inet::SocketId;
use tracer_common::{Older, Record, map::counter};

use super::{Pipeline, programs::NOBODY};
use crate::{
    kernel::{
        namespaces::Namespace,
        older::{self, Now},
    },
    model::Totals,
};

/// Those that are still open.
#[derive(Default)]
pub struct OlderSockets {
    /// Each is kept in being by its descriptor: for as long as such a socket is in it, and no longer.
    pub(super) namespaces: Vec<(Namespace, Followed)>,
    /// Sockets that ended while they were being looked up, or that could not be asked for.
    pub(super) lost: u64,
    /// Contacts that had found no room in the ring buffer when it was last looked whether they were these.
    unheard: u64,
}

/// Those of a namespace, by their cookies.
pub(super) type Followed = HashMap<u64, Socket>;

pub(super) struct Socket {
    pub older: Older,
    pub name: SocketId,
    /// At the last look it was not there, and the kernel side had not seen its end.
    pub is_missed: bool,
}

impl OlderSockets {
    /// Whether the program of `handle` still has one.
    pub fn has(&self, handle: u64) -> bool {
        self.namespaces.iter().any(|(_, sockets)| {
            sockets
                .values()
                .any(|socket| socket.older.destination.process == handle)
        })
    }

    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The last word on a contact; where it was one of these, it is followed no longer. Asked for again it could be there still, as
    /// the kernel says that a socket is closed before it is, or again, with another connection.
    pub(super) fn end(&mut self, record: &Record) {
        // Nobody saw these begin.
        if record.began_ns == 0 {
            self.namespaces.retain_mut(|(_, followed)| {
                followed.remove(&record.socket);
                !followed.is_empty()
            });
        }
    }
}

impl Pipeline {
    /// Follows those no longer whose last words found no room in the ring buffer.
    pub(super) fn forget_unheard(&mut self) {
        let unheard = self.kernel.maps.counter(counter::RING_FULL);
        if self.older.namespaces.is_empty() || unheard == self.older.unheard {
            return;
        }
        let mut left = HashSet::new();
        let read = self.kernel.older(|cookie, _| _ = left.insert(*cookie));
        if read.is_err() {
            self.failed_reads += 1;
            return;
        }
        self.older.unheard = unheard;
        self.older.namespaces.retain_mut(|(_, followed)| {
            followed.retain(|cookie, _| left.contains(cookie));
            !followed.is_empty()
        });
    }

    /// Adds what has passed over those that are open. Returns how many there are.
    pub(super) fn read_older(&mut self) -> u64 {
        let mut namespaces = std::mem::take(&mut self.older.namespaces);
        for (namespace, followed) in &mut namespaces {
            if self.read_namespace(namespace, followed).is_err() {
                self.older.lost += 1;
            }
        }
        namespaces.retain(|(_, followed)| !followed.is_empty());
        let open = namespaces.iter().map(|(_, followed)| followed.len() as u64);
        let open = open.sum();
        self.older.namespaces = namespaces;
        open
    }

    fn read_namespace(&mut self, place: &Namespace, followed: &mut Followed) -> anyhow::Result<()> {
        let names: Vec<_> = followed.values().map(|one| one.name.clone()).collect();
        let mut open = HashSet::new();
        for now in older::named(place, &names)? {
            open.insert(now.cookie);
            self.add_older(followed, &now);
        }
        // One that is not there has ended, and the kernel side has counted it and removed its entry. Where the entry is there, it
        // has another name, having been bound to a device, or is about to end, or its end was missed.
        let kernel = &mut self.kernel.maps.older;
        followed.retain(|cookie, _| open.contains(cookie) || kernel.get(cookie, 0).is_ok());
        if open.len() < followed.len() {
            for socket in older::connections(place)? {
                let cookie = socket.now.cookie;
                if let Some(one) = followed.get_mut(&cookie)
                    && open.insert(cookie)
                {
                    one.name = socket.name;
                    self.add_older(followed, &socket.now);
                }
            }
        }
        let (kernel, lost) = (&mut self.kernel.maps.older, &mut self.older.lost);
        followed.retain(|cookie, one| {
            let was_missed = std::mem::replace(&mut one.is_missed, !open.contains(cookie));
            let is_lost = was_missed && one.is_missed;
            *lost += u64::from(is_lost && kernel.remove(cookie).is_ok());
            !is_lost
        });
        Ok(())
    }

    fn add_older(&mut self, followed: &Followed, now: &Now) {
        let Some(Socket { older, .. }) = followed.get(&now.cookie) else {
            return;
        };
        let Self { programs, book, .. } = self;
        let known = programs.find(older.destination.process).unwrap_or(&NOBODY);
        let totals = Totals {
            open: u64::from(now.is_open),
            sent: now.sent.saturating_sub(older.sent),
            received: now.received.saturating_sub(older.received),
            ..Totals::default()
        };
        book.add(known, &older.destination, &totals);
    }
}
