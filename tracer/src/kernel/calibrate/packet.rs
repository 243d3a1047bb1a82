//! Where does a `struct sk_buff` keep its parts? Found in packets of ours on their way out over loopback, which begin with
//! 14 bytes of Ethernet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tracer_common::peek::Packet;
use zerocopy::IntoBytes as _;

use super::{
    Offsets,
    objects::Objects,
    search::{Places, is_address, number},
};

/// Bytes ahead of the IP header.
const ETHERNET: u64 = 14;

/// The structure's own bytes.
pub fn bytes(packet: &Packet) -> &[u8] {
    packet.words.as_bytes()
}

/// The words that lead to the packet's first byte: what stands there is Ethernet and IPv4 with these addresses. A source
/// of 0.0.0.0 is any.
pub fn words(packet: &Packet, source: SocketAddr, remote: SocketAddr) -> Vec<usize> {
    let is = |bytes: &[u8], address: SocketAddr| match ipv4(address) {
        Ipv4Addr::UNSPECIFIED => true,
        address => bytes == address.octets(),
    };
    packet
        .targets
        .iter()
        .enumerate()
        .filter(|(_, target)| {
            target[12..14] == [8, 0]
                && target[14] >> 4 == 4
                && is(&target[26..30], source)
                && is(&target[30..34], remote)
        })
        .map(|(at, _)| at)
        .collect()
}

fn ipv4(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    }
}

/// The packets differ in length, in the room ahead of them, in whether a checksum is to be made (where it begins is written
/// down beside the header that it is of) and in whether they are of several segments (the queue reckons each with headers
/// of its own).
pub fn measure(objects: &Objects, offsets: &mut Offsets) -> anyhow::Result<()> {
    let streams = objects
        .streams
        .iter()
        .map(|stream| (&*stream.syn, stream.local, stream.remote));
    let large = objects
        .streams
        .iter()
        .zip(&objects.large)
        .map(|(stream, packet)| (packet, stream.local, stream.remote));
    let plain = objects
        .plain
        .iter()
        .map(|datagram| (&*datagram.packet, datagram.local, datagram.remote));
    let mut places = Places::default();
    let packets: Vec<_> = streams.chain(large).chain(plain).collect();
    for (packet, source, remote) in &packets {
        let found = words(packet, *source, *remote);
        places.keep("PACKET_DATA", 8, bytes(packet), |rest| {
            found.contains(&((bytes(packet).len() - rest.len()) / 8))
        });
    }
    let data_at = places.only("PACKET_DATA")?;
    let mut heads: Option<Vec<(u32, u32)>> = None;
    for (packet, ..) in &packets {
        let target = &packet.targets[data_at as usize / 8];
        let total = u64::from(u16::from_be_bytes([target[16], target[17]])) + ETHERNET;
        let total = (total as u32).to_ne_bytes();
        places.look("PACKET_LENGTH", 4, bytes(packet), &total);
        let found = heads_of(packet, data_at);
        heads = Some(match heads {
            None => found,
            Some(left) => left.into_iter().filter(|it| found.contains(it)).collect(),
        });
    }
    for (head, network) in heads.unwrap_or_default() {
        // One offset each, or `only` says that there are several.
        places.allow("PACKET_HEAD", head);
        places.allow("PACKET_NETWORK", network);
    }
    let network = places.only("PACKET_NETWORK")?;
    for (packet, ..) in &packets {
        let target = &packet.targets[data_at as usize / 8];
        let header = u64::from(target[14] & 15) * 4;
        let network = number::<2>(bytes(packet), network as usize).unwrap_or(0);
        let transport = ((network + header) as u16).to_ne_bytes();
        places.look("PACKET_TRANSPORT", 2, bytes(packet), &transport);
    }
    for name in [
        "PACKET_DATA",
        "PACKET_LENGTH",
        "PACKET_HEAD",
        "PACKET_NETWORK",
        "PACKET_TRANSPORT",
    ] {
        offsets.put(name, places.only(name)?);
    }
    Ok(())
}

/// Where the buffer's beginning and the IP header's distance from it may stand. The beginning lies ahead of the first
/// byte: there is always room for more headers.
fn heads_of(packet: &Packet, data_at: u32) -> Vec<(u32, u32)> {
    let bytes = bytes(packet);
    let data = packet.words[data_at as usize / 8];
    let mut found = Vec::new();
    for (word, head) in packet.words.iter().enumerate() {
        if !is_address(*head) || *head >= data || data - head > u64::from(u16::MAX) {
            continue;
        }
        let distance = ((data + ETHERNET - head) as u16).to_ne_bytes();
        let places = super::search::all(bytes, 2, &distance);
        found.extend(places.into_iter().map(|at| (word as u32 * 8, at)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::FromZeros as _;

    /// A structure whose word 5 leads to a packet from 127.1.2.3 to 127.4.5.6, and whose word 4 to the buffer's beginning.
    fn sample() -> Packet {
        let mut packet = Packet::new_zeroed();
        (packet.words[4], packet.words[5]) = (0xffff_8000_0000_1000, 0xffff_8000_0000_1012);
        // The IP header is 0x12 + 14 bytes behind the beginning.
        packet.words[7] = 0x20;
        let target = &mut packet.targets[5];
        target[12..15].copy_from_slice(&[8, 0, 0x45]);
        target[26..34].copy_from_slice(&[127, 1, 2, 3, 127, 4, 5, 6]);
        packet
    }

    fn at(address: [u8; 4]) -> SocketAddr {
        SocketAddr::new(IpAddr::from(address), 1)
    }

    #[test]
    fn the_first_byte_is_known_by_what_it_leads_to() {
        let check = |source, remote, expected: &[usize]| {
            assert_eq!(words(&sample(), at(source), at(remote)), expected);
        };
        check([127, 1, 2, 3], [127, 4, 5, 6], &[5]);
        check([0; 4], [127, 4, 5, 6], &[5]);
        check([127, 1, 2, 4], [127, 4, 5, 6], &[]);
        check([127, 1, 2, 3], [127, 4, 5, 7], &[]);
    }

    #[test]
    fn the_beginning_and_the_distance_from_it_are_found_together() {
        assert_eq!(heads_of(&sample(), 40), [(32, 56)]);
    }

    proptest! {
        #[test]
        fn arbitrary_words_do_no_harm(found in proptest::collection::vec(any::<u64>(), 0..8), at in 0_u32..40) {
            let mut packet = sample();
            packet.words[..found.len()].copy_from_slice(&found);
            let _ = heads_of(&packet, at * 8);
        }
    }
}
