//! `raw`: IP datagrams of any protocol, their header made by the kernel or by this program.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use clap::Args;

use crate::truth::Truth;
use crate::{ip, kernel, message, socket};

#[derive(Args)]
pub struct Raw {
    #[arg(long)]
    pub to: IpAddr,
    /// 253 is reserved for experiments: nobody answers
    #[arg(long, default_value_t = 253)]
    pub protocol: u8,
    /// Sockets, one after the other
    #[arg(long, default_value_t = 1)]
    pub sockets: u64,
    /// Datagrams of each socket
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Bytes after the IP header
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(..=60_000))]
    pub bytes: u16,
    /// Make the IP header here, with IP_HDRINCL or IPV6_HDRINCL
    #[arg(long)]
    pub header_included: bool,
    /// Take back what the socket sent; only a local destination brings it
    #[arg(long)]
    pub receive: bool,
    /// Send nothing: say `ready` and take `times` datagrams, of whoever sends some to an address like `to`
    #[arg(long)]
    pub only_receive: bool,
}

/// `IPV6_HDRINCL` of linux/in6.h, which the libc crate lacks.
const IPV6_HDRINCL: libc::c_int = 36;
const PATIENCE: u64 = 10;

pub fn run(arguments: &Raw) -> Result<()> {
    let mut truth = Truth::default();
    let to: SocketAddr = (arguments.to, 0).into();
    if arguments.only_receive {
        take(arguments, &mut truth)?;
        truth.print(to);
        return Ok(());
    }
    for _ in 0..arguments.sockets {
        exchange(arguments, &mut truth)?;
    }
    truth.print(to);
    Ok(())
}

fn exchange(arguments: &Raw, truth: &mut Truth) -> Result<()> {
    let socket = open(arguments)?;
    let to = socket::encode((arguments.to, 0).into());
    let mut datagram = if arguments.header_included {
        ip::header(arguments.to, arguments.protocol, arguments.bytes)?
    } else {
        Vec::new()
    };
    datagram.resize(datagram.len() + usize::from(arguments.bytes), b'.');
    let mut buffer = vec![0; 1 << 16];
    for turn in 0..arguments.times {
        message::send(&socket, &datagram, Some(&to), 0).context("send")?;
        if turn == 0 {
            truth.begin();
        }
        truth.sent += u64::from(arguments.bytes);
        if arguments.receive {
            truth.received += receive(arguments, &socket, &mut buffer)
                .context("receive\nhint: is the destination on this machine?")?;
            truth.established += u64::from(turn == 0);
        }
    }
    Ok(())
}

/// Neither binds nor sends.
#[expect(clippy::print_stdout, reason = "a test waits for this word")]
fn take(arguments: &Raw, truth: &mut Truth) -> Result<()> {
    let protocol = libc::c_int::from(arguments.protocol);
    let socket = socket::open_as(socket::family(arguments.to), libc::SOCK_RAW, protocol)
        .context("raw socket\nhint: needs CAP_NET_RAW")?;
    message::give_up_after(&socket, kernel::patience(PATIENCE))?;
    println!("ready");
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..arguments.times {
        truth.received += receive(arguments, &socket, &mut buffer).context("receive")?;
    }
    Ok(())
}

/// One datagram; returns the bytes behind its IP header.
fn receive(arguments: &Raw, socket: &OwnedFd, buffer: &mut [u8]) -> Result<u64> {
    let taken = message::receive(socket, buffer, 0)?;
    // v4 comes with its header, v6 without.
    let header = if arguments.to.is_ipv4() {
        ip::HEADER
    } else {
        0
    };
    Ok(taken - header as u64)
}

fn open(arguments: &Raw) -> Result<OwnedFd> {
    let (family, protocol) = (socket::family(arguments.to), arguments.protocol);
    let socket = socket::open_as(family, libc::SOCK_RAW, libc::c_int::from(protocol))
        .context("raw socket\nhint: needs CAP_NET_RAW")?;
    if arguments.receive {
        message::give_up_after(&socket, kernel::patience(PATIENCE))?;
    } else {
        take_nothing(&socket)?;
    }
    let on: libc::c_int = 1;
    match arguments.to {
        _ if !arguments.header_included => {}
        IpAddr::V4(_) => socket::set(&socket, libc::IPPROTO_IP, libc::IP_HDRINCL, &on)?,
        IpAddr::V6(_) => socket::set(&socket, libc::IPPROTO_IPV6, IPV6_HDRINCL, &on)?,
    }
    Ok(socket)
}

/// A filter that lets nothing in: a raw socket also gets what it sent to its own machine.
fn take_nothing(socket: &impl AsFd) -> Result<()> {
    let mut instruction = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut instruction,
    };
    socket::set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}
