//! Sockets older than the tracer: found once, at the start, and followed to their end.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    path::Path,
    sync::Arc,
};

use tracer_common::{
    Address, DestinationKey, Older,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP},
};

use super::{
    Pipeline,
    programs::{Known, NAMELESS, NOBODY, number},
};
use crate::{
    attribute::{SocketUser, program_of},
    kernel::{
        older::{self, Namespace, OlderSocket},
        waiting::{self, Holder},
    },
    model::{Totals, Unattributed},
};

/// Those that are still open.
#[derive(Default)]
pub struct OlderSockets {
    namespaces: Vec<(Namespace, HashMap<u64, Older>)>,
    /// Sockets that ended while they were being looked up, or that could not be asked for.
    lost: u64,
}

impl OlderSockets {
    /// Whether the program of `handle` still has one.
    pub fn has(&self, handle: u64) -> bool {
        self.namespaces.iter().any(|(_, sockets)| {
            sockets
                .values()
                .any(|socket| socket.destination.process == handle)
        })
    }

    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl Pipeline {
    /// Finds them. The hooks are attached already, so what begins meanwhile is known to the kernel side. It is told apart by
    /// its cookie: whatever was there before and after the kernel side was asked, and is not known to it, is older. What
    /// ends before that is over before the tracer says that it is ready.
    pub(super) fn adopt(&mut self) {
        let own = self.kernel.own_handle;
        let mut holders = std::mem::take(&mut self.kernel.holders);
        self.older.lost += waiting::write_down(&mut self.kernel.maps, &mut holders, Some(own));
        let mut found: Vec<(Namespace, HashSet<u64>)> = Vec::new();
        for namespace in older::namespaces() {
            match older::connections(&namespace) {
                Ok(sockets) => found.push((namespace, cookies(&sockets))),
                Err(_) => self.older.lost += 1,
            }
        }
        let mut known_to_kernel = HashSet::new();
        let asked = self
            .kernel
            .connections(|_, connection| _ = known_to_kernel.insert(connection.cookie));
        self.failed_reads += u64::from(asked.is_err());
        let processes = older::processes_of_sockets();
        for (namespace, before) in found {
            let Ok(sockets) = older::connections(&namespace) else {
                self.older.lost += 1;
                continue;
            };
            let is_older = |socket: &&OlderSocket| {
                before.contains(&socket.cookie) && !known_to_kernel.contains(&socket.cookie)
            };
            let mut followed = HashMap::new();
            for socket in sockets.iter().filter(is_older) {
                let held = (socket.inode, socket.cookie, socket.user);
                let holder = Holder::of(&processes, &self.kernel.maps, held);
                // The tracer's own are nobody's contacts.
                let Some(handle) = holders.handle(holder) else {
                    continue;
                };
                let older = older_of(socket, handle);
                match self.kernel.follow(socket.cookie, older) {
                    Ok(()) => _ = followed.insert(socket.cookie, older),
                    Err(_) => self.older.lost += 1,
                }
            }
            if !followed.is_empty() {
                self.forget_ended(&namespace, &mut followed);
                self.older.namespaces.push((namespace, followed));
            }
        }
        for (holder, handle) in holders.all() {
            let known = self.known(holder);
            self.programs.insert(handle, known);
        }
    }

    /// One that ended between being found and being followed leaves its entry behind. That is no loss: it was over before
    /// the tracer said that it is ready.
    fn forget_ended(&mut self, namespace: &Namespace, followed: &mut HashMap<u64, Older>) {
        let Ok(sockets) = older::connections(namespace) else {
            self.older.lost += 1;
            return;
        };
        let open = cookies(&sockets);
        followed.retain(|cookie, _| {
            let is_open = open.contains(cookie);
            if !is_open {
                // The kernel side may have counted its end, and removed it.
                let _ = self.kernel.maps.older.remove(cookie);
            }
            is_open
        });
    }

    /// Who holds a socket; one for all sockets that nobody holds.
    fn known(&mut self, holder: Holder) -> Known {
        let Some(process) = holder.process else {
            return Known {
                unattributed: Some(Unattributed::NoOwner),
                ..NAMELESS
            };
        };
        let user = SocketUser {
            user: holder.user,
            charged: holder.charged,
        };
        let program = program_of(Path::new("/"), process).map_err(|_| Unattributed::NoName);
        let described = program.as_ref().ok().cloned().map(Arc::new);
        let found = program.and_then(|program| self.attribution.identify_holder(program, &user));
        let who = found.as_ref().ok().cloned().map(Arc::new);
        let (identity, unattributed) = number(&mut self.book.identities, found);
        Known {
            identity,
            who,
            program: described,
            unattributed,
            ..NAMELESS
        }
    }

    /// Adds what has passed over those that are open. Returns how many there are.
    pub(super) fn read_older(&mut self) -> u64 {
        let Self {
            older: OlderSockets { namespaces, lost },
            programs,
            book,
            kernel,
            ..
        } = self;
        for (namespace, followed) in namespaces.iter_mut() {
            let Ok(sockets) = older::connections(namespace) else {
                *lost += 1;
                continue;
            };
            let mut open = HashSet::new();
            for socket in &sockets {
                let Some(older) = followed.get(&socket.cookie) else {
                    continue;
                };
                open.insert(socket.cookie);
                let known = programs.find(older.destination.process).unwrap_or(&NOBODY);
                let totals = Totals {
                    open: u64::from(socket.established),
                    sent: socket.sent.saturating_sub(older.sent),
                    received: socket.received.saturating_sub(older.received),
                    ..Totals::default()
                };
                book.add(known, &older.destination, &totals);
            }
            // One that sock_diag no longer shows has ended, and the kernel side has counted it and removed its entry. Where
            // the entry is still there, that end was missed.
            followed.retain(|cookie, _| {
                let is_open = open.contains(cookie);
                *lost += u64::from(!is_open && kernel.maps.older.remove(cookie).is_ok());
                is_open
            });
        }
        namespaces.retain(|(_, followed)| !followed.is_empty());
        namespaces
            .iter()
            .map(|(_, followed)| followed.len() as u64)
            .sum()
    }
}

fn cookies(sockets: &[OlderSocket]) -> HashSet<u64> {
    sockets.iter().map(|socket| socket.cookie).collect()
}

fn older_of(socket: &OlderSocket, handle: u64) -> Older {
    let address = match socket.remote {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    Older {
        destination: DestinationKey {
            process: handle,
            address: Address::of_octets(address.octets()),
            port: socket.port,
            protocol: PROTOCOL_TCP,
            direction: if socket.accepted {
                DIRECTION_IN
            } else {
                DIRECTION_OUT
            },
            overflow: 0,
        },
        sent: socket.sent,
        received: socket.received,
    }
}
