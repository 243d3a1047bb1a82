//! `echo-requests`: ICMP and ICMPv6, from a ping socket and from a raw one.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::checksum::checksum;
use crate::truth::Truth;
use crate::{kernel, message, socket};

#[derive(Args)]
pub struct EchoRequests {
    #[arg(long)]
    pub to: IpAddr,
    #[arg(long)]
    pub mode: Mode,
    /// Sockets, one after the other
    #[arg(long, default_value_t = 1)]
    pub sockets: u64,
    /// Requests of each socket
    #[arg(long, default_value_t = 1)]
    pub times: u16,
    /// Bytes after the header of 8, which is counted as well
    #[arg(long, default_value_t = 56)]
    pub bytes: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// SOCK_DGRAM with IPPROTO_ICMP
    Ping,
    /// SOCK_RAW, which takes echo replies only
    Raw,
}

/// The header of an echo request and of its reply.
const HEADER: usize = 8;
/// ICMP's and ICMPv6's types.
const REQUEST: u8 = 8;
const REPLY: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
/// `ICMP_FILTER` of linux/icmp.h, for the level SOL_RAW.
const ICMP_FILTER: libc::c_int = 1;
/// `ICMPV6_FILTER` of linux/icmpv6.h.
const ICMPV6_FILTER: libc::c_int = 1;
const PATIENCE: u64 = 10;
const MAY_PING: &str = "/proc/sys/net/ipv4/ping_group_range";

pub fn run(arguments: &EchoRequests) -> Result<()> {
    let mut truth = Truth::default();
    for _ in 0..arguments.sockets {
        exchange(arguments, &mut truth)?;
    }
    truth.print((arguments.to, 0).into());
    Ok(())
}

/// One request under way at a time.
fn exchange(arguments: &EchoRequests, truth: &mut Truth) -> Result<()> {
    let socket = match arguments.mode {
        Mode::Ping => open_ping(arguments.to)?,
        Mode::Raw => open_raw(arguments.to)?,
    };
    message::give_up_after(&socket, kernel::patience(PATIENCE))?;
    let to = socket::encode((arguments.to, 0).into());
    let identifier = std::process::id() as u16;
    let mut buffer = vec![0; 1 << 16];
    for turn in 0..arguments.times {
        let request = request(arguments, identifier, turn);
        let sent = message::send(&socket, &request, Some(&to), 0).context("send a request")?;
        truth.sent += sent;
        if turn == 0 {
            truth.begin();
        }
        // What a raw socket gets besides is received too, and an answer to somebody else.
        loop {
            let taken = message::receive(&socket, &mut buffer, 0).context("take a reply")?;
            let reply = message_of(arguments, &buffer[..taken as usize])?;
            truth.received += reply.len() as u64;
            if is_mine(arguments, reply, identifier, turn) {
                break;
            }
        }
        if turn == 0 {
            truth.established += 1;
        }
    }
    Ok(())
}

fn protocol(to: IpAddr) -> libc::c_int {
    if to.is_ipv4() {
        libc::IPPROTO_ICMP
    } else {
        libc::IPPROTO_ICMPV6
    }
}

fn open_ping(to: IpAddr) -> Result<OwnedFd> {
    let open = || socket::open_as(socket::family(to), libc::SOCK_DGRAM, protocol(to));
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match open() {
        Err(error) if denied(&error) => {
            // For this network namespace only, v6 included.
            fs::write(MAY_PING, "0 2147483647").with_context(|| {
                format!("write {MAY_PING}\nhint: sysctl net.ipv4.ping_group_range='0 2147483647'")
            })?;
            open()
        }
        opened => opened,
    }
    .context("ping socket")
}

fn open_raw(to: IpAddr) -> Result<OwnedFd> {
    let socket = socket::open_as(socket::family(to), libc::SOCK_RAW, protocol(to))
        .context("raw socket\nhint: needs CAP_NET_RAW")?;
    // A set bit blocks its type: loopback brings one's own requests as well.
    if to.is_ipv4() {
        let blocked = !(1u32 << REPLY);
        socket::set(&socket, libc::SOL_RAW, ICMP_FILTER, &blocked)?;
    } else {
        let mut blocked = [u32::MAX; 8];
        blocked[usize::from(REPLY_V6 / 32)] &= !(1 << (REPLY_V6 % 32));
        socket::set(&socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &blocked)?;
    }
    Ok(socket)
}

fn request(arguments: &EchoRequests, identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![b'.'; HEADER + usize::from(arguments.bytes)];
    let kind = if arguments.to.is_ipv4() {
        REQUEST
    } else {
        REQUEST_V6
    };
    message[..4].copy_from_slice(&[kind, 0, 0, 0]);
    message[4..6].copy_from_slice(&identifier.to_be_bytes());
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    // The kernel does it for ping sockets and for ICMPv6, and then ignores this one.
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// A raw v4 socket gets the IP header with it.
fn message_of<'a>(arguments: &EchoRequests, taken: &'a [u8]) -> Result<&'a [u8]> {
    let header = match (arguments.mode, taken.first()) {
        (Mode::Raw, Some(first)) if arguments.to.is_ipv4() => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let message = taken.get(header..).unwrap_or_default();
    ensure!(message.len() >= HEADER, "a reply is too short");
    Ok(message)
}

fn is_mine(arguments: &EchoRequests, reply: &[u8], identifier: u16, sequence: u16) -> bool {
    let kind = if arguments.to.is_ipv4() {
        REPLY
    } else {
        REPLY_V6
    };
    // A ping socket's identifier is the kernel's choice.
    let mine = arguments.mode == Mode::Ping || reply[4..6] == identifier.to_be_bytes();
    reply[0] == kind && mine && reply[6..8] == sequence.to_be_bytes()
}
