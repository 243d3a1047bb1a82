//! How does what Android's resolver answers look that a test needs? Field by field, as it writes it, with no code of the parser's.
//!
//! It stands on its own, so that tests and examples outside of the crate can take it in with `#[path]`.

use std::net::IpAddr;

/// Where it is asked.
pub const SOCKET: &str = "/dev/socket/dnsproxyd";

fn number(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn counted(bytes: &[u8]) -> [Vec<u8>; 2] {
    [number(bytes.len() as u32), bytes.to_vec()]
}

/// What it writes where it knows nothing.
pub fn failed() -> Vec<Vec<u8>> {
    vec![[b"401\0", &4_u32.to_be_bytes()[..], &7_u32.to_ne_bytes()].concat()]
}

/// What it writes for `getaddrinfo`, one call behind another.
pub fn list(addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    let mut writes = vec![b"222\0".to_vec()];
    for address in addresses {
        let (family, socket) = match address {
            IpAddr::V4(ip) => (2_u16, [&[0; 2][..], &ip.octets(), &[0; 8]].concat()),
            IpAddr::V6(ip) => (10, [&[0; 6][..], &ip.octets(), &[0; 4]].concat()),
        };
        // An entry follows; flags, family, type, protocol.
        writes.extend([1, 0x400, family.into(), 1, 6].map(number));
        writes.extend(counted(&[&family.to_ne_bytes()[..], &socket].concat()));
        // No canonical name.
        writes.extend(counted(b""));
    }
    writes.push(number(0));
    writes
}

/// What it writes for `gethostbyname`: addresses of one family.
pub fn entry(name: &str, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    let is_six = addresses.first().is_some_and(IpAddr::is_ipv6);
    let zero = |text: &str| [text.as_bytes(), b"\0"].concat();
    let mut writes = vec![b"222\0".to_vec()];
    writes.extend(counted(&zero(name)));
    writes.extend(counted(&zero("another.example")));
    writes.extend(counted(b""));
    writes.extend(if is_six { [10, 16] } else { [2, 4] }.map(number));
    for address in addresses {
        // Sixteen bytes of either family.
        let mut bytes = match address {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.resize(16, 0x5a);
        writes.extend(counted(&bytes));
    }
    writes.extend(counted(b""));
    writes
}

/// What it writes for `resnsend`: a message of DNS.
pub fn message(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut writes = vec![number(0)];
    writes.extend(counted(bytes));
    writes
}
