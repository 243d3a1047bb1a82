//! Which TCP sockets were there before the tracer, whose are they, and how much has passed over them?
//!
//! Asked of the kernel's `sock_diag`, in each network namespace, and of `/proc`. Asking also makes the kernel give each
//! socket its cookie, by which the kernel side finds it again when it ends.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io,
    net::IpAddr,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    thread,
};

use anyhow::Context as _;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

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

/// A namespace that holds sockets: a file to enter it by.
pub struct Namespace {
    file: File,
    /// Its inode number.
    pub inode: u32,
    /// Whether the tracer itself is in it.
    own: bool,
}

/// One socket, as `sock_diag` tells it.
#[derive(Clone, Copy, Debug)]
pub struct OlderSocket {
    /// The kernel's name of the socket, unique until the next boot.
    pub cookie: u64,
    /// IPv4 as IPv4, whichever family the socket has.
    pub remote: IpAddr,
    /// The remote's port, the local one of an accepted connection.
    pub port: u16,
    /// Whether it was accepted here: somebody listens on its local port. The kernel keeps no other trace of who began.
    pub accepted: bool,
    /// Whether its handshake is done.
    pub established: bool,
    /// Number of the socket's inode, 0 where no process holds it.
    pub inode: u32,
    /// The uid that the socket is of.
    pub user: u32,
    /// Payload that has left so far, each byte once.
    pub sent: u64,
    /// Payload that has arrived so far, each byte once.
    pub received: u64,
}

/// Every network namespace that a process is in.
pub fn namespaces() -> Vec<Namespace> {
    let inode =
        |process: &str| fs::metadata(format!("/proc/{process}/ns/net")).map(|file| file.ino());
    let own = inode("self").ok();
    let mut found = BTreeMap::new();
    for process in processes() {
        // A process may be gone by now, and its namespace with it.
        if let Ok(number) = inode(&process.to_string()) {
            found.entry(number).or_insert(process);
        }
    }
    let open = |(number, process)| {
        let file = File::open(format!("/proc/{process}/ns/net")).ok()?;
        let own = Some(number) == own;
        let inode = number as u32;
        Some(Namespace { file, inode, own })
    };
    found.into_iter().filter_map(open).collect()
}

/// Which process holds the socket of an inode: the one with the smallest number where several do.
pub fn processes_of_sockets() -> HashMap<u32, u32> {
    let mut holders = HashMap::new();
    let mut all: Vec<u32> = processes().collect();
    all.sort_unstable();
    for process in all {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else {
                continue;
            };
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            });
            if let Some(inode) = inode {
                holders.entry(inode).or_insert(process);
            }
        }
    }
    holders
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
        })
}

/// A socket that listens, or receives datagrams.
pub struct Waiting {
    pub cookie: u64,
    /// IPv4 as v4-mapped, where only one family is meant.
    pub address: [u8; 16],
    pub port: u16,
    pub inode: u32,
    /// The uid that the socket is of.
    pub user: u32,
}

/// The connections of a namespace.
pub fn connections(namespace: &Namespace) -> anyhow::Result<Vec<OlderSocket>> {
    let responses = ask(namespace, IPPROTO_TCP, StateFlags::all())?;
    let ports: HashSet<u16> = responses
        .iter()
        .filter(|response| response.header.state == LISTEN)
        .map(|response| response.header.socket_id.source_port)
        .collect();
    Ok(responses
        .iter()
        .filter(|response| {
            !matches!(
                response.header.state,
                SYN_RECV | TIME_WAIT | CLOSE | LISTEN | NEW_SYN_RECV
            )
                // What waits in FIN_WAIT2 with no socket any more has no such information.
                && information(response).is_some()
        })
        .map(|response| {
            let accepted = ports.contains(&response.header.socket_id.source_port);
            socket(response, accepted)
        })
        .collect())
}

/// The listeners of a namespace, and its UDP sockets.
pub fn waiting(namespace: &Namespace) -> anyhow::Result<(Vec<Waiting>, Vec<Waiting>)> {
    let listeners = ask(namespace, IPPROTO_TCP, StateFlags::LISTEN)?;
    let datagrams = ask(namespace, IPPROTO_UDP, StateFlags::all())?;
    let all = |responses: Vec<InetResponse>| responses.iter().map(waits).collect();
    Ok((all(listeners), all(datagrams)))
}

fn waits(response: &InetResponse) -> Waiting {
    let address = match response.header.socket_id.source_address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    Waiting {
        cookie: u64::from_ne_bytes(response.header.socket_id.cookie),
        address: address.octets(),
        port: response.header.socket_id.source_port,
        inode: response.header.inode,
        user: response.header.uid,
    }
}

/// The sockets of a protocol in a namespace that are in one of the states.
fn ask(
    namespace: &Namespace,
    protocol: u8,
    states: StateFlags,
) -> anyhow::Result<Vec<InetResponse>> {
    // A thread of its own, since a thread that has entered a namespace stays there.
    thread::scope(|scope| {
        let worker = scope.spawn(|| -> anyhow::Result<Vec<InetResponse>> {
            // To enter the one we are in would need CAP_SYS_ADMIN for nothing.
            if !namespace.own {
                // SAFETY: changes the namespace of this thread only, which ends right after.
                let entered =
                    unsafe { libc::setns(namespace.file.as_raw_fd(), libc::CLONE_NEWNET) };
                if entered != 0 {
                    return Err(io::Error::last_os_error()).context("enter a network namespace");
                }
            }
            let mut all = dump(AF_INET, protocol, states.clone())?;
            all.extend(dump(AF_INET6, protocol, states)?);
            Ok(all)
        });
        worker
            .join()
            .unwrap_or_else(|_| anyhow::bail!("the thread that asked sock_diag died"))
    })
}

/// Those of a family in the namespace of this thread.
fn dump(family: u8, protocol: u8, states: StateFlags) -> anyhow::Result<Vec<InetResponse>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG).context("open sock_diag")?;
    socket.bind_auto().context("bind sock_diag")?;
    socket
        .connect(&SocketAddr::new(0, 0))
        .context("connect to sock_diag")?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut request = NetlinkMessage::new(
        header,
        SockDiagMessage::InetRequest(InetRequest {
            family,
            protocol,
            extensions: ExtensionFlags::INFO,
            states,
            socket_id: if family == AF_INET {
                SocketId::new_v4()
            } else {
                SocketId::new_v6()
            },
        })
        .into(),
    );
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0).context("ask sock_diag")?;
    let mut responses = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full().context("read from sock_diag")?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .context("decode an answer of sock_diag")?;
            // Messages are aligned to four bytes (NLMSG_ALIGN).
            let length = (message.header.length as usize)
                .next_multiple_of(4)
                .clamp(1, rest.len());
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    responses.push(*response);
                }
                NetlinkPayload::Done(_) => return Ok(responses),
                NetlinkPayload::Error(error) => {
                    return Err(error.to_io()).context("sock_diag refused");
                }
                _ => {}
            }
            rest = &rest[length..];
        }
    }
}

/// `struct tcp_info` of a socket.
fn information(response: &InetResponse) -> Option<&[u8]> {
    response.nlas.iter().find_map(|attribute| match attribute {
        Nla::TcpInfo(information) => Some(information.as_slice()),
        _ => None,
    })
}

fn socket(response: &InetResponse, accepted: bool) -> OlderSocket {
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
    OlderSocket {
        cookie: u64::from_ne_bytes(response.header.socket_id.cookie),
        remote: response.header.socket_id.destination_address.to_canonical(),
        port: if accepted {
            response.header.socket_id.source_port
        } else {
            response.header.socket_id.destination_port
        },
        accepted,
        established: response.header.state != SYN_SENT,
        inode: response.header.inode,
        user: response.header.uid,
        sent: number(BYTES_SENT).saturating_sub(number(BYTES_RETRANSMITTED)),
        received: number(BYTES_RECEIVED).saturating_sub(fin),
    }
}
