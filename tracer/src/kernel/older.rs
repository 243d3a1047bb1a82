//! Which TCP sockets were there before the tracer, and how much has passed over them?
//!
//! Asked of the kernel's `sock_diag`, in each network namespace. Asking also makes the kernel give each
//! socket its cookie, by which the kernel side finds it again when it ends.

use std::{collections::HashSet, io, net::IpAddr, os::fd::AsRawFd as _, thread};

use anyhow::Context as _;
use netlink_packet_sock_diag::{
    constants::{IPPROTO_TCP, IPPROTO_UDP},
    inet::{InetResponse, SocketId, StateFlags, nlas::Nla},
};

use super::{
    diag,
    namespaces::Namespace,
    queued::{self, Unheld},
};

// include/net/tcp_states.h
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const TIME_WAIT: u8 = 6;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;
const NEW_SYN_RECV: u8 = 12;

// Positions in `struct tcp_info` (include/uapi/linux/tcp.h), which only grows at its end: since 4.6 and 4.19.
const BYTES_RECEIVED: usize = 128;
const BYTES_SENT: usize = 200;
const BYTES_RETRANSMITTED: usize = 208;

/// One socket, as `sock_diag` tells it.
#[derive(Clone, Debug)]
pub struct OlderSocket {
    /// By which it is asked for again, as long as it is not bound to another device.
    pub name: SocketId,
    pub now: Now,
    /// IPv4 as IPv4, whichever family the socket has.
    pub remote: IpAddr,
    /// The remote's port, the local one of an accepted connection.
    pub port: u16,
    /// Whether it was accepted here: somebody listens on its local port. The kernel keeps no other trace of who began.
    pub accepted: bool,
    /// Number of the socket's inode, 0 where no process holds it.
    pub inode: u32,
    /// The uid that the socket is of.
    pub user: u32,
}

impl OlderSocket {
    /// Who holds it, as `sock_diag` says.
    pub fn held(&self) -> (u32, u64, u32) {
        (self.inode, self.now.cookie, self.user)
    }
}

/// What changes of it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The kernel's name of the socket, unique until the next boot.
    pub cookie: u64,
    /// Whether its handshake is done, and not both ends have closed it.
    pub is_open: bool,
    /// Payload that has left so far, each byte once.
    pub sent: u64,
    /// Payload that has arrived so far, each byte once.
    pub received: u64,
}

/// A socket that listens, or receives datagrams.
pub struct Waiting {
    pub cookie: u64,
    pub port: u16,
    pub inode: u32,
    /// The uid that the socket is of.
    pub user: u32,
    /// Connections in a listener's queue, which nobody has accepted yet.
    pub queued: u32,
}

/// The connections of a namespace. One that nobody has accepted yet has the inode and the user of its listener, where that is sure.
pub fn connections(namespace: &Namespace) -> anyhow::Result<Vec<OlderSocket>> {
    let responses = ask(namespace, || diag::all(IPPROTO_TCP, StateFlags::all()))?;
    let (listening, others): (Vec<_>, Vec<_>) = responses
        .iter()
        .partition(|response| response.header.state == LISTEN);
    let listeners: Vec<Waiting> = listening.into_iter().map(waits).collect();
    let ports: HashSet<u16> = listeners.iter().map(|listener| listener.port).collect();
    let unheld: Vec<Unheld> = others
        .iter()
        .filter_map(|response| unheld(response))
        .collect();
    let queued = queued::listeners(&unheld, &listeners);
    Ok(others
        .into_iter()
        .filter(|response| is_connection(response))
        .map(|response| {
            let accepted = ports.contains(&response.header.socket_id.source_port);
            let mut socket = socket(response, accepted);
            if let Some(listener) = queued.get(&socket.now.cookie) {
                (socket.inode, socket.user) = (listener.inode, listener.user);
            }
            socket
        })
        .collect())
}

fn unheld(response: &InetResponse) -> Option<Unheld> {
    let header = &response.header;
    (header.inode == 0 && queued::can_wait(header.state)).then(|| Unheld {
        cookie: u64::from_ne_bytes(header.socket_id.cookie),
        local_port: header.socket_id.source_port,
    })
}

/// Those of these names that are still connections.
pub fn named(namespace: &Namespace, names: &[SocketId]) -> anyhow::Result<Vec<Now>> {
    let responses = ask(namespace, || diag::named(names))?;
    let found = responses.iter().filter(|response| is_connection(response));
    Ok(found.map(now).collect())
}

fn is_connection(response: &InetResponse) -> bool {
    !matches!(
        response.header.state,
        SYN_RECV | TIME_WAIT | CLOSE | LISTEN | NEW_SYN_RECV
    )
        // What waits in FIN_WAIT2 with no socket any more has no such information.
        && information(response).is_some()
}

/// The listeners of a namespace, and its UDP sockets.
pub fn waiting(namespace: &Namespace) -> anyhow::Result<(Vec<Waiting>, Vec<Waiting>)> {
    let (listeners, datagrams) = ask(namespace, || {
        let listeners = diag::all(IPPROTO_TCP, StateFlags::LISTEN)?;
        Ok((listeners, diag::all(IPPROTO_UDP, StateFlags::all())?))
    })?;
    let all = |responses: Vec<InetResponse>| responses.iter().map(waits).collect();
    Ok((all(listeners), all(datagrams)))
}

fn waits(response: &InetResponse) -> Waiting {
    Waiting {
        cookie: u64::from_ne_bytes(response.header.socket_id.cookie),
        port: response.header.socket_id.source_port,
        inode: response.header.inode,
        user: response.header.uid,
        queued: response.header.recv_queue,
    }
}

/// Asks in the namespace.
fn ask<T: Send>(
    namespace: &Namespace,
    question: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    // A thread of its own, since a thread that has entered a namespace stays there.
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            // To enter the one we are in would need CAP_SYS_ADMIN for nothing.
            if !namespace.own {
                // SAFETY: changes the namespace of this thread only, which ends right after.
                let entered =
                    unsafe { libc::setns(namespace.file.as_raw_fd(), libc::CLONE_NEWNET) };
                if entered != 0 {
                    return Err(io::Error::last_os_error()).context("enter a network namespace");
                }
            }
            question()
        });
        worker
            .join()
            .unwrap_or_else(|_| anyhow::bail!("the thread that asked sock_diag died"))
    })
}

/// `struct tcp_info` of a socket.
fn information(response: &InetResponse) -> Option<&[u8]> {
    response.nlas.iter().find_map(|attribute| match attribute {
        Nla::TcpInfo(information) => Some(information.as_slice()),
        _ => None,
    })
}

fn socket(response: &InetResponse, accepted: bool) -> OlderSocket {
    let name = response.header.socket_id.clone();
    OlderSocket {
        remote: name.destination_address.to_canonical(),
        port: if accepted {
            name.source_port
        } else {
            name.destination_port
        },
        name,
        now: now(response),
        accepted,
        inode: response.header.inode,
        user: response.header.uid,
    }
}

fn now(response: &InetResponse) -> Now {
    let information = information(response);
    // In these states the peer's FIN has arrived, which the kernel counts as a byte.
    let fin = u64::from(matches!(
        response.header.state,
        CLOSE_WAIT | LAST_ACK | CLOSING
    ));
    let number = |at: usize| -> u64 {
        let bytes = information.and_then(|bytes| bytes.get(at..)?.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    Now {
        cookie: u64::from_ne_bytes(response.header.socket_id.cookie),
        is_open: !matches!(response.header.state, SYN_SENT | LAST_ACK | CLOSING),
        sent: number(BYTES_SENT).saturating_sub(number(BYTES_RETRANSMITTED)),
        received: number(BYTES_RECEIVED).saturating_sub(fin),
    }
}
