//! Sockets that waited for others before the tracer came: listeners, and sockets of datagrams. Whose they are is written down for
//! the kernel side, which sees only who begins to wait.
//!
//! Twice: before the hooks are attached, so that what comes in from their first moment on has an owner; and after, for those
//! that began to wait in between.

use std::collections::HashMap;

use tracer_common::{ListenedPort, Listener, Listeners, SocketFacts};

use super::{
    holders,
    maps::{Maps, NOT_THERE},
    namespaces::{Namespace, Where, namespaces},
    older,
};

/// Who holds a socket, as far as `sock_diag` and `/proc` say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holder {
    /// `None` where no process does; nothing else is said then.
    pub process: Option<u32>,
    /// The uid that the socket is of.
    pub user: u32,
    /// The uid that Android charges for it, where that is another one.
    pub charged: Option<u32>,
}

impl Holder {
    /// Of the socket with that inode and cookie, which `sock_diag` says is `user`'s. `processes` is [`holders::processes_of_sockets`].
    pub fn of(
        processes: &HashMap<u32, u32>,
        maps: &Maps,
        (inode, cookie, user): (u32, u64, u32),
    ) -> Self {
        let Some(process) = processes.get(&inode) else {
            return Self::default();
        };
        let charge = maps.charges.get(&cookie, 0).ok();
        Self {
            process: Some(*process),
            user,
            charged: charge.map(|charge| charge.user),
        }
    }
}

/// The handles of holders: small numbers, which the kernel side gives to no program.
#[derive(Default)]
pub struct Holders(HashMap<Holder, u64>);

impl Holders {
    /// A new one where it has none. `None` for the tracer itself, which has a program's.
    pub fn handle(&mut self, holder: Holder) -> Option<u64> {
        if holder.process == Some(std::process::id()) {
            return None;
        }
        let next = self.0.len() as u64 + 1;
        Some(*self.0.entry(holder).or_insert(next))
    }

    pub fn all(&self) -> impl Iterator<Item = (Holder, u64)> {
        self.0.iter().map(|(holder, handle)| (*holder, *handle))
    }
}

/// Writes down whose those are that wait now. `own` is the handle of the tracer itself; where it has none yet, its own sockets
/// are left out. What the kernel side has found out itself stays. Returns how many namespaces could not be asked.
pub fn write_down(maps: &mut Maps, holders: &mut Holders, own: Option<u64>, look: Where) -> u64 {
    // In this order: a socket that is there has been given to its process.
    let found: Vec<_> = namespaces(look)
        .into_iter()
        .map(|namespace| (older::waiting(&namespace), namespace))
        .collect();
    let processes = holders::processes_of_sockets();
    let mut lost = 0;
    for (waiting, Namespace { inode, .. }) in found {
        let Ok((listeners, datagrams)) = waiting else {
            lost += 1;
            continue;
        };
        let mut owner = |maps: &Maps, socket: &older::Waiting| {
            let socket = (socket.inode, socket.cookie, socket.user);
            holders.handle(Holder::of(&processes, maps, socket)).or(own)
        };
        for socket in datagrams {
            if let Some(owner) = owner(maps, &socket) {
                let facts = SocketFacts {
                    identity: socket.cookie,
                    owner,
                };
                let _ = maps.sockets.insert(socket.cookie, facts, NOT_THERE);
            }
        }
        for socket in listeners {
            if let Some(owner) = owner(maps, &socket) {
                let port = ListenedPort {
                    namespace: inode,
                    port: socket.port,
                    padding: 0,
                };
                let listener = Listener { owner, port };
                if maps
                    .listeners
                    .insert(socket.cookie, listener, NOT_THERE)
                    .is_ok()
                {
                    count(maps, port);
                }
            }
        }
    }
    lost
}

/// One more at the port. Where the kernel keeps it is not known, so it adds nothing to the sum of the addresses: who seems to be alone
/// there is nobody then.
fn count(maps: &mut Maps, port: ListenedPort) {
    let before = maps.ports.get(&port, 0).unwrap_or_default();
    let now = Listeners {
        sockets: before.sockets + 1,
        ..before
    };
    // Without room who is alone is not known either.
    let _ = maps.ports.insert(port, now, 0);
}
