//! Where does a `struct sock` keep what tells whose contact it is: addresses, ports, family, kind, protocol, cookie?

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    Offsets,
    objects::{Objects, RAW_PROTOCOL, SOCK_BYTES},
    peek::Peek,
    search::Places,
};

// include/net/tcp_states.h
const ESTABLISHED: u8 = 1;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

/// Numbers that no user has and that stand nowhere else.
const USERS: [u32; 2] = [1_734_501_277, 1_291_845_723];

/// What is known of one socket.
struct Facts {
    kind: i32,
    protocol: i32,
    state: u8,
    local: SocketAddr,
    /// `None` where it is connected to nobody: then the kernel has zeroes.
    remote: Option<SocketAddr>,
    cookie: u64,
}

/// Looks at every object once, and at sockets of datagrams also connected and disconnected again: a route that is kept in
/// the socket has the same addresses and outlives them. What is seen of the object behind a socket in memory, which may be
/// the other end of its connection, is at another distance for each kind of socket.
pub fn measure(peek: &Peek, objects: &Objects, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut places = Places::default();
    for stream in &objects.streams {
        let facts = Facts {
            kind: libc::SOCK_STREAM,
            protocol: libc::IPPROTO_TCP,
            state: ESTABLISHED,
            local: stream.local,
            remote: Some(stream.remote),
            cookie: stream.client.cookie()?,
        };
        note(&mut places, &peek.bytes(stream.sock, SOCK_BYTES)?, &facts);
        let facts = Facts {
            state: LISTEN,
            local: stream.remote,
            remote: None,
            cookie: stream.listener.cookie()?,
            ..facts
        };
        let bytes = peek.bytes(stream.listener_sock, SOCK_BYTES)?;
        note(&mut places, &bytes, &facts);
    }
    for datagram in objects.plain.iter().chain(&objects.multicast) {
        let facts = Facts {
            kind: libc::SOCK_DGRAM,
            protocol: libc::IPPROTO_UDP,
            state: CLOSE,
            local: datagram.local,
            remote: None,
            cookie: datagram.socket.cookie()?,
        };
        let bytes = peek.bytes(datagram.sock, SOCK_BYTES)?;
        note(&mut places, &bytes, &facts);
    }
    for datagram in objects.plain.iter().chain(&objects.multicast) {
        datagram.socket.connect(datagram.remote)?;
        let facts = Facts {
            kind: libc::SOCK_DGRAM,
            protocol: libc::IPPROTO_UDP,
            state: ESTABLISHED,
            local: datagram.local,
            remote: Some(datagram.remote),
            cookie: datagram.socket.cookie()?,
        };
        let bytes = peek.bytes(datagram.sock, SOCK_BYTES)?;
        note(&mut places, &bytes, &facts);
        if datagram.local.is_ipv6() {
            // The kernel keeps its address there when it is connected to nobody again.
            continue;
        }
        datagram.socket.disconnect()?;
        let facts = Facts {
            state: CLOSE,
            // The port was the kernel's choice, and it takes it back.
            local: datagram.socket.local()?,
            remote: None,
            ..facts
        };
        let bytes = peek.bytes(datagram.sock, SOCK_BYTES)?;
        note(&mut places, &bytes, &facts);
    }
    let raw = Facts {
        kind: libc::SOCK_RAW,
        protocol: RAW_PROTOCOL,
        state: CLOSE,
        // The kernel keeps the protocol where others have their port.
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), RAW_PROTOCOL as u16),
        remote: None,
        cookie: objects.raw.socket.cookie()?,
    };
    let bytes = peek.bytes(objects.raw.sock, SOCK_BYTES)?;
    note(&mut places, &bytes, &raw);
    for name in [
        "SOCK_FAMILY",
        "SOCK_TYPE",
        "SOCK_PROTOCOL",
        "SOCK_STATE",
        "SOCK_COOKIE",
        "SOCK_LOCAL_PORT",
        "SOCK_SOURCE_PORT",
        "SOCK_REMOTE_PORT",
        "SOCK_LOCAL_IPV4",
        "SOCK_REMOTE_IPV4",
        "SOCK_LOCAL_IPV6",
        "SOCK_REMOTE_IPV6",
    ] {
        offsets.put(name, places.only(name)?);
    }
    if let Some(at) = user(peek, objects)? {
        offsets.put("SOCK_USER", at);
    }
    Ok(())
}

/// Where a socket keeps whose it is: `None` where we may not give ours to others, or where a doubt is left.
fn user(peek: &Peek, objects: &Objects) -> anyhow::Result<Option<u32>> {
    let mut places = Places::default();
    let datagrams = objects.plain.iter().chain(&objects.multicast);
    for (datagram, user) in datagrams.zip(USERS.iter().cycle()) {
        if datagram.socket.give_to(*user).is_err() {
            return Ok(None);
        }
        let bytes = peek.bytes(datagram.sock, SOCK_BYTES)?;
        places.look("SOCK_USER", 4, &bytes, &user.to_ne_bytes());
    }
    Ok(places.only("SOCK_USER").ok())
}

/// Strikes off what contradicts one socket. Widths and byte orders are those of the kernel's fields.
fn note(places: &mut Places, bytes: &[u8], facts: &Facts) {
    let family = match facts.local.ip() {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    } as u16;
    let port = facts.local.port();
    let remote_port = facts.remote.map_or(0, |remote| remote.port());
    places.look("SOCK_FAMILY", 2, bytes, &family.to_ne_bytes());
    places.look("SOCK_TYPE", 2, bytes, &(facts.kind as u16).to_ne_bytes());
    let protocol = (facts.protocol as u16).to_ne_bytes();
    places.look("SOCK_PROTOCOL", 2, bytes, &protocol);
    places.look("SOCK_STATE", 1, bytes, &[facts.state]);
    places.look("SOCK_COOKIE", 8, bytes, &facts.cookie.to_ne_bytes());
    places.look("SOCK_LOCAL_PORT", 2, bytes, &port.to_ne_bytes());
    places.look("SOCK_SOURCE_PORT", 2, bytes, &port.to_be_bytes());
    places.look("SOCK_REMOTE_PORT", 2, bytes, &remote_port.to_be_bytes());
    match facts.local.ip() {
        IpAddr::V4(address) => places.look("SOCK_LOCAL_IPV4", 4, bytes, &address.octets()),
        IpAddr::V6(address) => places.look("SOCK_LOCAL_IPV6", 4, bytes, &address.octets()),
    }
    match (facts.remote.map(|remote| remote.ip()), family) {
        (Some(IpAddr::V6(address)), _) => {
            places.look("SOCK_REMOTE_IPV6", 4, bytes, &address.octets());
        }
        (Some(IpAddr::V4(address)), _) => {
            places.look("SOCK_REMOTE_IPV4", 4, bytes, &address.octets());
        }
        // What a listener of TCP has there is of no concern to anybody.
        (None, _) if facts.kind == libc::SOCK_STREAM => {}
        (None, family) if i32::from(family) == libc::AF_INET6 => {
            places.look("SOCK_REMOTE_IPV6", 4, bytes, &[0; 16]);
        }
        (None, _) => places.look("SOCK_REMOTE_IPV4", 4, bytes, &[0; 4]),
    }
}
