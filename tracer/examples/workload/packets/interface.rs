//! An interface by its name, and addresses on its link.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};

use super::frame::Frame;
use crate::kernel::checked;

pub struct Interface {
    pub index: libc::c_int,
    pub address: [u8; 6],
}

impl Interface {
    pub fn named(socket: &OwnedFd, name: &str) -> Result<Self> {
        // SAFETY: all-zero bytes are a valid, empty request.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        ensure!(name.len() < request.ifr_name.len(), "{name} is too long");
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        let descriptor = socket.as_raw_fd();
        // SAFETY: the kernel reads and writes one request.
        checked(unsafe { libc::ioctl(descriptor, libc::SIOCGIFINDEX, &raw mut request) })
            .with_context(|| format!("find {name}"))?;
        // SAFETY: the question was for the index.
        let index = unsafe { request.ifr_ifru.ifru_ifindex };
        // SAFETY: the kernel reads and writes one request.
        checked(unsafe { libc::ioctl(descriptor, libc::SIOCGIFHWADDR, &raw mut request) })
            .with_context(|| format!("the address of {name}"))?;
        // SAFETY: the question was for the hardware address.
        let told = unsafe { request.ifr_ifru.ifru_hwaddr }.sa_data;
        let mut address = [0; 6];
        for (to, from) in address.iter_mut().zip(told) {
            *to = from as u8;
        }
        Ok(Self { index, address })
    }
}

pub fn link_address(interface: &Interface, frame: &Frame) -> libc::sockaddr_ll {
    // SAFETY: all-zero bytes are a valid address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::c_ushort;
    address.sll_protocol = frame.ethertype.to_be();
    address.sll_ifindex = interface.index;
    address.sll_halen = 6;
    address.sll_addr[..6].copy_from_slice(&frame.bytes[..6]);
    address
}

/// Six bytes as they are usually written.
pub fn link_address_of(text: &str) -> Result<[u8; 6]> {
    let bytes = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<Vec<_>, _>>();
    bytes
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .with_context(|| format!("{text} is no link-layer address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_six_bytes() {
        let parsed = link_address_of("02:00:00:0a:0b:ff").ok();
        assert_eq!(parsed, Some([2, 0, 0, 0xa, 0xb, 0xff]));
        assert!(link_address_of("02:00:00:0a:0b").is_err());
        assert!(link_address_of("02:00:00:0a:0b:xx").is_err());
    }
}
