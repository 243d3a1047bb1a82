//! Makes contacts, and says what passed. Whoever answers is told in the first bytes how many to send back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::line::{Contacts, Kind};

/// Bytes that say how many are to come back, in network byte order.
pub const HEADER: usize = 8;
/// As long as a contact may take, on an emulated machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes them; `each` is given every socket before it is used. Returns the number of contacts.
pub fn make(contacts: &Contacts, each: &mut impl FnMut(RawFd) -> Result<()>) -> Result<u32> {
    for turn in 0..contacts.times {
        match contacts.kind {
            Kind::Tcp => tcp(contacts, mapped(contacts.to), false, each),
            Kind::Native => tcp(contacts, contacts.to, true, each),
            Kind::Refused => refused(contacts.to, each),
            Kind::Udp => udp(contacts, turn % 2 == 0, each),
        }
        .with_context(|| format!("contact {turn} of {}", contacts.to))?;
    }
    Ok(contacts.times)
}

/// Makes all of a list.
pub fn make_all(list: &[Contacts], each: &mut impl FnMut(RawFd) -> Result<()>) -> Result<u32> {
    list.iter().map(|contacts| make(contacts, each)).sum()
}

/// As Java's sockets have every address.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn tcp(
    contacts: &Contacts,
    to: SocketAddr,
    waits_not: bool,
    each: &mut impl FnMut(RawFd) -> Result<()>,
) -> Result<()> {
    let socket = open(to, libc::SOCK_STREAM)?;
    each(socket.as_raw_fd())?;
    let mut stream = TcpStream::from(socket);
    stream.set_nonblocking(waits_not)?;
    connect(stream.as_raw_fd(), to)?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&payload(contacts)?)?;
    stream.shutdown(Shutdown::Write)?;
    let received = io::copy(&mut stream.take(u64::MAX), &mut io::sink())?;
    ensure!(
        received == u64::from(contacts.received),
        "{received} bytes came"
    );
    Ok(())
}

fn refused(to: SocketAddr, each: &mut impl FnMut(RawFd) -> Result<()>) -> Result<()> {
    let socket = open(to, libc::SOCK_STREAM)?;
    each(socket.as_raw_fd())?;
    match connect(socket.as_raw_fd(), to) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => bail!("not refused: {other:?}"),
    }
}

fn udp(
    contacts: &Contacts,
    connected: bool,
    each: &mut impl FnMut(RawFd) -> Result<()>,
) -> Result<()> {
    let socket = UdpSocket::from(open(contacts.to, libc::SOCK_DGRAM)?);
    each(socket.as_raw_fd())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let payload = payload(contacts)?;
    if connected {
        socket.connect(contacts.to)?;
        socket.send(&payload)?;
    } else {
        socket.send_to(&payload, contacts.to)?;
    }
    let mut answer = vec![0; 65_536];
    let received = socket.recv(&mut answer)?;
    ensure!(
        received == contacts.received as usize,
        "{received} bytes came"
    );
    Ok(())
}

/// Connects a UDP socket and sends nothing, as resolvers do to learn which source address they would have.
pub fn sort(to: SocketAddr, each: &mut impl FnMut(RawFd) -> Result<()>) -> Result<()> {
    let socket = open(to, libc::SOCK_DGRAM)?;
    each(socket.as_raw_fd())?;
    connect(socket.as_raw_fd(), to)?;
    Ok(())
}

fn payload(contacts: &Contacts) -> Result<Vec<u8>> {
    let mut bytes = u64::from(contacts.received).to_be_bytes().to_vec();
    let length = contacts.sent as usize;
    ensure!(length >= HEADER, "at least {HEADER} bytes are sent");
    bytes.resize(length, 0x5a);
    Ok(bytes)
}

fn open(to: SocketAddr, kind: libc::c_int) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: makes a descriptor.
    let descriptor = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Connects, and waits for it where the socket does not.
fn connect(descriptor: RawFd, to: SocketAddr) -> io::Result<()> {
    let (name, length) = encode(to);
    // SAFETY: the name is as long as is said.
    if unsafe { libc::connect(descriptor, name.as_ptr().cast(), length) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::EINPROGRESS) {
        return Err(error);
    }
    let mut poll = libc::pollfd {
        fd: descriptor,
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one structure is given.
    if unsafe { libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as libc::c_int) } != 1 {
        return Err(ErrorKind::TimedOut.into());
    }
    // SAFETY: the same call tells how it ended.
    if unsafe { libc::connect(descriptor, name.as_ptr().cast(), length) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
fn encode(address: SocketAddr) -> ([u8; 28], libc::socklen_t) {
    let mut name = [0; 28];
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    name[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => name[4..8].copy_from_slice(&Ipv4Addr::octets(&ip)),
        IpAddr::V6(ip) => name[8..24].copy_from_slice(&Ipv6Addr::octets(&ip)),
    }
    (name, if address.is_ipv4() { 16 } else { 28 })
}

/// What tells a socket from every other.
pub fn cookie(descriptor: RawFd) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most the length that is given.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(cookie)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes a socket somebody else's, as netd does with those that it uses for an app.
pub fn give(descriptor: RawFd, user: u32) -> io::Result<()> {
    // SAFETY: a plain call; the group stays.
    if unsafe { libc::fchown(descriptor, user, u32::MAX) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
