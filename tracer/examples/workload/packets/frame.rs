//! One frame, made by hand, and what of it counts.

use std::net::IpAddr;

use anyhow::{Result, bail};

use super::interface::{Interface, link_address_of};
use super::{Mode, Packets};
use crate::checksum::checksum;
use crate::{datagram, ip};

/// The length of the link-layer header.
pub const LINK: usize = 14;
const UDP: usize = 8;
/// Whoever answers this port is told by ICMP that nobody is there.
const FROM_PORT: u16 = 40_000;
/// `ETH_P_802_EX1` of linux/if_ether.h.
const EXPERIMENT: u16 = 0x88b5;

pub struct Frame {
    pub ethertype: u16,
    /// All of it, the link-layer header included.
    pub bytes: Vec<u8>,
    /// What the tracer has to count.
    pub counted: usize,
    pub ip_payload: usize,
    /// After the UDP header.
    pub payload: usize,
}

impl Frame {
    pub fn new(arguments: &Packets, interface: &Interface) -> Result<Self> {
        let (ethertype, inside, ip_payload) = match arguments.mode {
            Mode::Arp => (libc::ETH_P_ARP as u16, arp(arguments, interface)?, 0),
            Mode::Unknown => (EXPERIMENT, vec![b'.'; usize::from(arguments.bytes)], 0),
            _ => {
                let ethertype = if arguments.to.is_ipv4() {
                    libc::ETH_P_IP
                } else {
                    libc::ETH_P_IPV6
                };
                let payload = UDP + usize::from(arguments.bytes);
                (ethertype as u16, datagram(arguments)?, payload)
            }
        };
        let mut bytes = Vec::new();
        bytes.extend(link_address_of(&arguments.to_mac)?);
        bytes.extend(interface.address);
        bytes.extend(ethertype.to_be_bytes());
        bytes.extend(&inside);
        Ok(Self {
            ethertype,
            bytes,
            counted: if ip_payload > 0 {
                ip_payload
            } else {
                inside.len()
            },
            ip_payload,
            payload: ip_payload.saturating_sub(UDP),
        })
    }
}

/// IP and UDP around a payload that asks for nothing.
fn datagram(arguments: &Packets) -> Result<Vec<u8>> {
    let long = UDP as u16 + arguments.bytes;
    let to = arguments.to;
    let mut bytes = ip::header(to.ip(), libc::IPPROTO_UDP as u8, long)?;
    let mut udp = Vec::new();
    udp.extend(FROM_PORT.to_be_bytes());
    udp.extend(to.port().to_be_bytes());
    udp.extend(long.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(datagram::payload(datagram::SINK, arguments.bytes.into()));
    // The checksum covers the addresses, the protocol and the length as well.
    let addresses = if to.is_ipv4() {
        &bytes[12..ip::HEADER]
    } else {
        &bytes[8..ip::HEADER_V6]
    };
    let mut summed = addresses.to_vec();
    summed.extend([0, libc::IPPROTO_UDP as u8]);
    summed.extend(long.to_be_bytes());
    summed.extend(&udp);
    // Zero would mean that there is none.
    let sum = match checksum(&summed) {
        0 => u16::MAX,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes.extend(udp);
    Ok(bytes)
}

/// Asks who has the destination.
fn arp(arguments: &Packets, interface: &Interface) -> Result<Vec<u8>> {
    let IpAddr::V4(to) = arguments.to.ip() else {
        bail!("ARP is for v4 addresses");
    };
    // Ethernet, IPv4, the lengths of their addresses, and a request.
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, 1];
    bytes.extend(interface.address);
    // The sender's address: none, as in a probe, so that nobody learns it.
    bytes.extend([0; 4]);
    bytes.extend([0; 6]);
    bytes.extend(to.octets());
    Ok(bytes)
}
