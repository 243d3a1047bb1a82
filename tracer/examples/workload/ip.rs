//! IP headers that this program makes, and the address that they come from.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};

use crate::checksum::checksum;

/// The length of a v4 header without options.
pub const HEADER: usize = 20;
pub const HEADER_V6: usize = 40;
const HOPS: u8 = 64;

/// A header before `bytes` bytes of payload.
pub fn header(to: IpAddr, protocol: u8, bytes: u16) -> Result<Vec<u8>> {
    Ok(match (source(to)?, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0; HEADER];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&(HEADER as u16 + bytes).to_be_bytes());
            header[8] = HOPS;
            header[9] = protocol;
            header[12..16].copy_from_slice(&from.octets());
            header[16..].copy_from_slice(&to.octets());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0; HEADER_V6];
            header[0] = 0x60;
            header[4..6].copy_from_slice(&bytes.to_be_bytes());
            header[6] = protocol;
            header[7] = HOPS;
            header[8..24].copy_from_slice(&from.octets());
            header[24..].copy_from_slice(&to.octets());
            header
        }
        _ => unreachable!("a source has the family of its destination"),
    })
}

/// The address from which the kernel would send: asked with a connect that sends nothing.
fn source(to: IpAddr) -> Result<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() {
        ([0; 4], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any).context("bind")?;
    // Any port: the discard service's is as good as another.
    socket.connect((to, 9)).context("find a source address")?;
    Ok(socket.local_addr().context("the source address")?.ip())
}
