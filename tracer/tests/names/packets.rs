//! How are packets and captures built that the tests need? Byte by byte, with no code of the tracer's.

use std::net::SocketAddr;

/// Nanoseconds since the Unix epoch of 2026-11-28T12:00:00Z. Each packet of a capture is a microsecond after the one before.
const BEGIN: u64 = 1_795_867_200;

/// What stands before IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Ethernet,
    /// Ethernet with two tags of VLANs.
    Vlan,
    Cooked,
    CookedTwo,
    Raw,
    Null,
}

pub const LINKS: [Link; 6] = [
    Link::Ethernet,
    Link::Vlan,
    Link::Cooked,
    Link::CookedTwo,
    Link::Raw,
    Link::Null,
];

impl Link {
    fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan => 1,
            Self::Cooked => 113,
            Self::CookedTwo => 276,
            Self::Raw => 101,
            Self::Null => 0,
        }
    }

    fn header(self, ip: &[u8]) -> Vec<u8> {
        let is_four = ip[0] >> 4 == 4;
        let kind: [u8; 2] = if is_four { [8, 0] } else { [0x86, 0xdd] };
        let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        match self {
            Self::Ethernet => [&ethernet[..], &kind].concat(),
            Self::Vlan => [&ethernet[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], &kind].concat(),
            Self::Cooked => [&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &kind].concat(),
            Self::CookedTwo => [&kind[..], &[0; 6], &[0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]].concat(),
            Self::Raw => Vec::new(),
            Self::Null => vec![if is_four { 2 } else { 30 }, 0, 0, 0],
        }
    }
}

/// A pcap file of these IP packets.
pub fn pcap(link: Link, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link.number()] {
        file.extend(u32::to_le_bytes(word));
    }
    for (ip, microseconds) in packets.iter().zip(1..) {
        let frame = [&link.header(ip)[..], ip].concat();
        let length = frame.len() as u32;
        for word in [BEGIN as u32, microseconds, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// A pcapng file of these IP packets, with times in nanoseconds.
pub fn pcapng(link: Link, packets: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &body, &length].concat()
    };
    let section = [0x1a2b_3c4d, 1, u32::MAX, u32::MAX].map(u32::to_le_bytes);
    // The option if_tsresol, nine digits, and the end of the options.
    let options = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    let interface = [&link.number().to_le_bytes()[..], &[0; 4], &options].concat();
    let mut file = [
        block(0x0a0d_0d0a, section.as_flattened()),
        block(1, &interface),
    ]
    .concat();
    for (ip, microseconds) in packets.iter().zip(1..) {
        let frame = [&link.header(ip)[..], ip].concat();
        let stamp = BEGIN * 1_000_000_000 + microseconds * 1_000;
        let length = frame.len() as u32;
        let words = [0, (stamp >> 32) as u32, stamp as u32, length, length].map(u32::to_le_bytes);
        file.extend(block(6, &[words.as_flattened(), &frame].concat()));
    }
    file
}

/// Two ends, the first of which is the client.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub client: SocketAddr,
    pub server: SocketAddr,
}

impl Ends {
    pub fn new(client: &str, server: &str) -> Self {
        let end = |text: &str| text.parse().expect("an address and a port");
        Self {
            client: end(client),
            server: end(server),
        }
    }

    fn reversed(self) -> Self {
        Self {
            client: self.server,
            server: self.client,
        }
    }

    /// A datagram from the client.
    pub fn udp(self, payload: &[u8]) -> Vec<u8> {
        self.ip(17, &self.datagram(payload))
    }

    /// A datagram from the server.
    pub fn udp_answer(self, payload: &[u8]) -> Vec<u8> {
        self.reversed().udp(payload)
    }

    /// A datagram from the server, in fragments of so many bytes each.
    pub fn udp_fragments(self, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
        let ends = self.reversed();
        let datagram = ends.datagram(payload);
        let count = datagram.len().div_ceil(size);
        datagram
            .chunks(size)
            .enumerate()
            .map(|(at, chunk)| ends.fragment(17, at * size, at + 1 < count, chunk))
            .collect()
    }

    /// The three segments that begin a connection.
    pub fn handshake(self) -> Vec<Vec<u8>> {
        vec![
            self.tcp(0, 0, 2, &[]),
            self.reversed().tcp(0, 1, 0x12, &[]),
            self.tcp(1, 1, 0x10, &[]),
        ]
    }

    /// A segment from the client with what stands at an offset of its stream, when the server has sent so many bytes.
    pub fn says(self, offset: usize, acknowledged: usize, payload: &[u8]) -> Vec<u8> {
        self.tcp(1 + offset as u32, 1 + acknowledged as u32, 0x18, payload)
    }

    /// A segment from the server, likewise.
    pub fn answers(self, offset: usize, acknowledged: usize, payload: &[u8]) -> Vec<u8> {
        self.reversed().says(offset, acknowledged, payload)
    }

    fn tcp(self, sequence: u32, acknowledged: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let first = |end: SocketAddr| u32::from(end.port()) << 16 | 0xfff0;
        let segment = [
            &self.client.port().to_be_bytes()[..],
            &self.server.port().to_be_bytes(),
            &first(self.client).wrapping_add(sequence).to_be_bytes(),
            &first(self.server).wrapping_add(acknowledged).to_be_bytes(),
            &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
            payload,
        ];
        self.ip(6, &segment.concat())
    }

    fn datagram(self, payload: &[u8]) -> Vec<u8> {
        [
            &self.client.port().to_be_bytes()[..],
            &self.server.port().to_be_bytes(),
            &(8 + payload.len() as u16).to_be_bytes(),
            &[0, 0],
            payload,
        ]
        .concat()
    }

    fn ip(self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match (self.client, self.server) {
            (SocketAddr::V4(_), SocketAddr::V4(_)) => self.four(protocol, 0x4000, payload),
            _ => self.six(protocol, payload),
        }
    }

    fn fragment(self, protocol: u8, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
        if self.client.is_ipv4() {
            let flags = (offset / 8) as u16 | u16::from(more) << 13;
            return self.four(protocol, flags, payload);
        }
        let place = (offset as u16 | u16::from(more)).to_be_bytes();
        let header = [protocol, 0, place[0], place[1], 1, 2, 3, 4];
        self.six(44, &[&header[..], payload].concat())
    }

    fn four(self, protocol: u8, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        packet.extend((20 + payload.len() as u16).to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(flags.to_be_bytes());
        packet.extend([64, protocol, 0, 0]);
        for end in [self.client, self.server] {
            if let SocketAddr::V4(end) = end {
                packet.extend(end.ip().octets());
            }
        }
        packet.extend(payload);
        packet
    }

    fn six(self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([protocol, 64]);
        for end in [self.client, self.server] {
            if let SocketAddr::V6(end) = end {
                packet.extend(end.ip().octets());
            }
        }
        packet.extend(payload);
        packet
    }
}
