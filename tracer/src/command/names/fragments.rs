//! Which datagram do fragments of IP make? RFC 791 section 3.2, RFC 8200 section 4.5.

use std::net::IpAddr;

use super::table::Table;
use crate::{capture::ip::Ip, name::stream::Beginning};

/// Most datagrams of which some fragments are there. With the longest that is 4 MB.
const MOST: usize = 64;
/// Longest payload of a datagram, in bytes.
const LONGEST: usize = 65_535;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    /// Of version 4, datagrams of different protocols may have the same number.
    protocol: u8,
}

struct Partial {
    bytes: Beginning,
    /// Where the last fragment ends.
    length: Option<usize>,
    /// What the first fragment says that the payload is: of version 6 others may say otherwise.
    protocol: u8,
}

pub struct Fragments {
    table: Table<Key, Partial>,
}

impl Fragments {
    pub fn new() -> Self {
        Self {
            table: Table::new(MOST, |_| true),
        }
    }

    /// Takes a packet. Where it is the last missing fragment of a datagram, gives the datagram's protocol and payload.
    pub fn take(&mut self, ip: &Ip<'_>) -> Option<(u8, Vec<u8>)> {
        let fragment = ip.fragment?;
        let key = Key {
            source: ip.source,
            destination: ip.destination,
            id: fragment.id,
            protocol: if ip.source.is_ipv4() { ip.protocol } else { 0 },
        };
        let partial = self.table.get_or_make(key, || Partial {
            bytes: Beginning::new(LONGEST),
            length: None,
            protocol: ip.protocol,
        });
        if fragment.offset == 0 {
            partial.protocol = ip.protocol;
        }
        let offset = usize::from(fragment.offset);
        partial.bytes.insert(offset as u64, ip.payload);
        if !fragment.more {
            partial.length.get_or_insert(offset + ip.payload.len());
        }
        let whole = partial.bytes.bytes().get(..partial.length?)?.to_vec();
        let protocol = partial.protocol;
        self.table.remove(key);
        Some((protocol, whole))
    }

    /// Of how many datagrams fragments are missing, so far.
    pub fn dropped(&self) -> u64 {
        self.table.dropped + self.table.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::ip::Fragment;

    fn ip(id: u32, offset: u16, more: bool, payload: &[u8]) -> Ip<'_> {
        Ip {
            source: "192.0.2.1".parse().expect("an address"),
            destination: "192.0.2.2".parse().expect("an address"),
            protocol: 17,
            payload,
            is_cut: false,
            fragment: Some(Fragment { id, offset, more }),
        }
    }

    #[test]
    fn fragments_in_any_order_make_a_datagram() {
        let mut fragments = Fragments::new();
        let mut check = |ip: Ip<'_>, expected: Option<&[u8]>| {
            let expected = expected.map(|bytes| (17, bytes.to_vec()));
            assert_eq!(fragments.take(&ip), expected);
        };
        check(ip(1, 8, false, b"end"), None);
        check(ip(2, 0, true, b"other---"), None);
        check(ip(1, 0, true, b"begin---"), Some(b"begin---end"));
        check(ip(2, 0, true, b"other---"), None);
        check(ip(2, 16, false, b"end"), None);
        check(ip(2, 8, true, b"between-"), Some(b"other---between-end"));
        assert_eq!(fragments.dropped(), 0);
    }

    #[test]
    fn what_stays_incomplete_is_counted() {
        let mut fragments = Fragments::new();
        for id in 0..100 {
            assert_eq!(fragments.take(&ip(id, 0, true, b"begin---")), None);
        }
        assert_eq!(fragments.dropped(), 100);
    }
}
