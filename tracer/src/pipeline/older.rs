//! Sockets older than the tracer: found once, at the start.

use std::{collections::HashSet, net::IpAddr, path::Path, sync::Arc};

use tracer_common::{
    Address, DestinationKey, Older,
    map::{DIRECTION_IN, DIRECTION_OUT, PROTOCOL_TCP},
};

use super::{
    Pipeline,
    followed::{Followed, Socket},
    programs::{Known, NAMELESS, number},
};
use crate::{
    attribute::{SocketUser, program_of},
    kernel::{
        holders,
        namespaces::{Namespace, Where, namespaces},
        older::{self, OlderSocket},
        waiting::{self, Holder},
    },
    model::Unattributed,
};

impl Pipeline {
    /// Finds them. The hooks are attached already, so what begins meanwhile is known to the kernel side. It is told apart by
    /// its cookie: whatever was there before and after the kernel side was asked, and is not known to it, is older. What
    /// ends before that is over before the tracer says that it is ready.
    pub(super) fn adopt(&mut self) {
        let own = self.kernel.own_handle;
        let mut holders = std::mem::take(&mut self.kernel.holders);
        self.older.lost += waiting::write_down(
            &mut self.kernel.maps,
            &mut holders,
            Some(own),
            Where::Everywhere,
        );
        let mut found: Vec<(Namespace, HashSet<u64>)> = Vec::new();
        for namespace in namespaces(Where::Everywhere) {
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
        let processes = holders::processes_of_sockets();
        for (namespace, before) in found {
            let Ok(sockets) = older::connections(&namespace) else {
                self.older.lost += 1;
                continue;
            };
            let is_older = |socket: &&OlderSocket| {
                before.contains(&socket.now.cookie) && !known_to_kernel.contains(&socket.now.cookie)
            };
            let mut followed = Followed::new();
            for socket in sockets.iter().filter(is_older) {
                let cookie = socket.now.cookie;
                let holder = Holder::of(&processes, &self.kernel.maps, socket.held());
                // The tracer's own are nobody's contacts.
                let Some(handle) = holders.handle(holder) else {
                    continue;
                };
                let older = older_of(socket, handle);
                if self.kernel.follow(cookie, older).is_err() {
                    self.older.lost += 1;
                    continue;
                }
                let one = Socket {
                    older,
                    name: socket.name.clone(),
                    is_missed: false,
                };
                followed.insert(cookie, one);
            }
            self.forget_ended(&namespace, &mut followed);
            if !followed.is_empty() {
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
    fn forget_ended(&mut self, namespace: &Namespace, followed: &mut Followed) {
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
}

fn cookies(sockets: &[OlderSocket]) -> HashSet<u64> {
    sockets.iter().map(|socket| socket.now.cookie).collect()
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
        sent: socket.now.sent,
        received: socket.now.received,
    }
}
