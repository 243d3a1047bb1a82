//! `packets`: frames that this program makes, past the IP stack, through AF_PACKET.

mod frame;
mod interface;
mod ring;

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::kernel::length;
use crate::socket;
use crate::truth::Truth;
use frame::Frame;
use interface::Interface;
use ring::Ring;

#[derive(Args)]
pub struct Packets {
    #[arg(long)]
    pub interface: String,
    /// Colon-separated, or the interface's own kind of nowhere: 00:00:00:00:00:00
    #[arg(long)]
    pub to_mac: String,
    /// What the frames say; `serve-datagrams` counts them when it is there
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Bytes after the UDP header, or after the link-layer header of a frame that is not IP
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(..=1400))]
    pub bytes: u16,
    #[arg(long)]
    pub mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// SOCK_RAW: the link-layer header is made here
    Raw,
    /// SOCK_DGRAM: the kernel makes it
    Dgram,
    /// PACKET_TX_RING of version 2
    Ring,
    /// PACKET_QDISC_BYPASS
    Bypass,
    /// An ARP request for the v4 address; `--bytes` does not matter
    Arp,
    /// A frame of ethertype 0x88b5, which is reserved for experiments
    Unknown,
}

pub fn run(arguments: &Packets) -> Result<()> {
    let (level, on): (_, libc::c_int) = (libc::SOL_PACKET, 1);
    let kind = if arguments.mode == Mode::Dgram {
        libc::SOCK_DGRAM
    } else {
        libc::SOCK_RAW
    };
    // Protocol 0 takes nothing in.
    let socket = socket::open_as(libc::AF_PACKET, kind, 0)
        .context("packet socket\nhint: needs CAP_NET_RAW")?;
    let interface = Interface::named(&socket, &arguments.interface)?;
    let frame = Frame::new(arguments, &interface)?;
    let to = interface::link_address(&interface, &frame);
    match arguments.mode {
        Mode::Ring => Ring::new(&socket)?.send(&socket, &to, &frame.bytes, arguments.times)?,
        Mode::Dgram => send(&socket, &to, &frame.bytes[frame::LINK..], arguments.times)?,
        Mode::Bypass => {
            socket::set(&socket, level, libc::PACKET_QDISC_BYPASS, &on)?;
            send(&socket, &to, &frame.bytes, arguments.times)?;
        }
        Mode::Raw | Mode::Arp | Mode::Unknown => {
            send(&socket, &to, &frame.bytes, arguments.times)?;
        }
    }
    tell(arguments, &frame);
    Ok(())
}

fn send(socket: &OwnedFd, to: &libc::sockaddr_ll, bytes: &[u8], times: u64) -> Result<()> {
    for _ in 0..times {
        let sent = send_to(socket, to, bytes)?;
        ensure!(sent == bytes.len() as u64, "{sent} bytes of a frame left");
    }
    Ok(())
}

fn send_to(socket: &OwnedFd, to: &libc::sockaddr_ll, bytes: &[u8]) -> Result<u64> {
    let (start, size) = (bytes.as_ptr().cast(), bytes.len());
    let (pointer, room) = (std::ptr::from_ref(to).cast(), size_of_val(to));
    let (descriptor, room) = (socket.as_raw_fd(), room as libc::socklen_t);
    // SAFETY: the bytes and the address are given with their lengths.
    length(unsafe { libc::sendto(descriptor, start, size, 0, pointer, room) })
        .context("send a frame")
}

/// `sent` is what counts as payload: all after the IP header, or all after the link-layer header of what is
/// not IP.
fn tell(arguments: &Packets, frame: &Frame) {
    let times = arguments.times;
    Truth {
        connections: u64::from(times > 0),
        sent: times * frame.counted as u64,
        ..Truth::default()
    }
    .print_with(
        arguments.to,
        json!({
            "interface": arguments.interface,
            "ethertype": frame.ethertype,
            "frames": times,
            "frame": times * frame.bytes.len() as u64,
            "ip_payload": times * frame.ip_payload as u64,
            "payload": times * frame.payload as u64,
        }),
    );
}
