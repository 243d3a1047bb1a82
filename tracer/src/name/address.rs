//! Which addresses mean the same machine to everybody?

use std::net::{IpAddr, Ipv6Addr};

use tracer_common::Address;

/// Whether an address is one of the public Internet's: not of this machine, not of a private network (RFC 1918, RFC 4193, RFC 6598), not of
/// a link, not of many (multicast).
pub fn is_public(address: &Address) -> bool {
    match Ipv6Addr::from(address.octets()).to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_multicast()
                || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: bool) {
        let ip: IpAddr = address.parse().expect("an address");
        assert_eq!(is_public(&Address::of(ip)), expected, "{address}");
    }

    #[test]
    fn what_means_another_machine_elsewhere_is_not_public() {
        for address in ["192.0.2.1", "100.128.0.1", "8.8.8.8", "2001:db8::1"] {
            check(address, true);
        }
        for address in [
            "0.0.0.0",
            "127.0.0.53",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "224.0.0.251",
            "255.255.255.255",
            "::",
            "::1",
            "fd00::1",
            "fe80::1",
            "ff02::fb",
            "::ffff:10.0.0.1",
        ] {
            check(address, false);
        }
    }
}
