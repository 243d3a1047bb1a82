//! `flood` and `flood-in`: one datagram each to, or from, a great many addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::truth::Truth;
use crate::{datagram, message, socket};

#[derive(Args)]
pub struct Flood {
    /// The first remote; the others follow it
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long)]
    pub remotes: u32,
    #[arg(long, default_value_t = 100)]
    pub bytes: u64,
    /// Rounds over all remotes
    #[arg(long, default_value_t = 1)]
    pub repeat: u64,
    /// Milliseconds between two rounds
    #[arg(long, default_value_t = 0)]
    pub pause: u64,
    /// The remotes differ in their port, not in their address
    #[arg(long)]
    pub vary_ports: bool,
    /// A line for each remote
    #[arg(long)]
    pub each: bool,
}

#[derive(Args)]
pub struct FloodIn {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long)]
    pub sources: u32,
    /// The first source; the others follow it
    #[arg(long, default_value = "127.2.0.0")]
    pub from: Ipv4Addr,
    #[arg(long, default_value_t = 100)]
    pub bytes: u64,
    /// A socket for each source; without it one socket chooses the source of each datagram
    #[arg(long)]
    pub bind: bool,
}

pub fn run(arguments: &Flood) -> Result<()> {
    let remotes = (0..arguments.remotes)
        .map(|index| remote(arguments, index))
        .collect::<Result<Vec<_>>>()?;
    let socket = open(arguments.to)?;
    let payload = datagram::payload(datagram::SINK, arguments.bytes);
    let mut sent = 0;
    for round in 0..arguments.repeat {
        if round > 0 {
            thread::sleep(Duration::from_millis(arguments.pause));
        }
        for remote in &remotes {
            let to = socket::encode(*remote);
            sent += message::send(&socket, &payload, Some(&to), 0)
                .with_context(|| format!("send to {remote}"))?;
        }
    }
    if arguments.each {
        for remote in &remotes {
            let mut truth = Truth::default();
            truth.begin();
            truth.sent = arguments.repeat * arguments.bytes;
            truth.print(*remote);
        }
        return Ok(());
    }
    Truth {
        connections: u64::from(arguments.remotes),
        sent,
        ..Truth::default()
    }
    .print(arguments.to);
    Ok(())
}

fn remote(arguments: &Flood, index: u32) -> Result<SocketAddr> {
    let (address, port) = (arguments.to.ip(), arguments.to.port());
    if arguments.vary_ports {
        let port = u32::from(port) + index;
        let port = port.try_into().context("more remotes than ports")?;
        return Ok((address, port).into());
    }
    Ok(match address {
        IpAddr::V4(first) => (Ipv4Addr::from_bits(first.to_bits() + index), port).into(),
        IpAddr::V6(first) => {
            let address = (first.to_bits() + u128::from(index)).into();
            (IpAddr::V6(address), port).into()
        }
    })
}

/// The contacts of the server are as many as the sources; those of one sending socket are one.
pub fn run_in(arguments: &FloodIn) -> Result<()> {
    ensure!(arguments.to.is_ipv4(), "the sources are v4 addresses");
    let to = socket::encode(arguments.to);
    let payload = datagram::payload(datagram::SINK, arguments.bytes);
    let mut truth = Truth::default();
    let mut shared = None;
    for index in 0..arguments.sources {
        let source = Ipv4Addr::from_bits(arguments.from.to_bits() + index);
        truth.sent += if arguments.bind {
            truth.begin();
            let socket = open(arguments.to)?;
            socket::bind(&socket, SocketAddrV4::new(source, 0).into())?;
            message::send(&socket, &payload, Some(&to), 0)
        } else {
            if shared.is_none() {
                truth.begin();
                shared = Some(open(arguments.to)?);
            }
            let socket = shared.as_ref().expect("just opened");
            let choice = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from(source).to_be(),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let (level, kind) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
            message::send_with(socket, &payload, Some(&to), level, kind, choice)
        }
        .with_context(|| format!("send from {source}"))?;
    }
    truth.print(arguments.to);
    Ok(())
}

fn open(to: SocketAddr) -> Result<OwnedFd> {
    socket::open_as(socket::family(to.ip()), libc::SOCK_DGRAM, 0).context("socket")
}
