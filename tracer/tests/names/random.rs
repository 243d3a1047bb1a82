//! How do hellos come that nobody thought of? Cut, reordered, sent again, interleaved, as a generator of random numbers decides.

use crate::{
    hello::{Made, records},
    packets::Ends,
    quic::{Initial, crypto, padded},
    tshark::Seen,
};

/// A linear congruential generator (Knuth's MMIX): the same numbers wherever the test runs.
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// The ends of up to `most` parts of so many bytes.
    fn cuts(&mut self, length: usize, most: usize) -> Vec<(usize, usize)> {
        let count = self.below(most);
        let mut cuts: Vec<_> = (0..count).map(|_| self.below(length)).collect();
        cuts.extend([0, length]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// Moves some things to later places.
    fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            if self.below(3) == 0 {
                things.swap(at, self.below(at + 1));
            }
        }
    }

    fn hello(&mut self, name: Option<&str>) -> Vec<u8> {
        let made = Made {
            name: name.map(|name| name.as_bytes().to_vec()),
            alpn: vec![b"h2".to_vec(); self.below(3)],
            ech: self.below(4) == 0,
            session: self.below(33),
            padding: self.below(2) * self.below(1_500),
        };
        made.message()
    }
}

/// So many connections, interleaved, and the names in them without the packets in which they become complete.
pub fn capture(random: &mut Random, count: usize) -> (Vec<Vec<u8>>, Vec<Seen>) {
    let mut connections = Vec::new();
    let mut expected = Vec::new();
    for number in 0..count {
        let name = format!("n{number}.Example.com");
        let name = (random.below(10) > 0).then_some(&*name);
        let port = 50_000 + number as u16;
        let ends = Ends::new(&format!("192.0.2.1:{port}"), "198.51.100.2:443");
        let packets = if random.below(3) == 0 {
            datagrams(random, ends, number, name)
        } else {
            segments(random, ends, name)
        };
        connections.push(packets.into_iter());
        let name = name.unwrap_or_default().to_lowercase();
        expected.push(Seen::Hello(0, port, name));
    }
    let mut packets = Vec::new();
    while !connections.is_empty() {
        let at = random.below(connections.len());
        match connections[at].next() {
            Some(packet) => packets.push(packet),
            None => drop(connections.remove(at)),
        }
    }
    expected.sort();
    (packets, expected)
}

fn segments(random: &mut Random, ends: Ends, name: Option<&str>) -> Vec<Vec<u8>> {
    let message = random.hello(name);
    let size = if random.below(2) == 0 {
        16_384
    } else {
        1 + random.below(message.len())
    };
    let stream = records(&message, size);
    let mut parts = random.cuts(stream.len(), 8);
    random.shuffle(&mut parts);
    // Some are sent again, as they were: of what is out of order and overlaps, tshark loses track.
    for _ in 0..random.below(3) {
        let part = parts[random.below(parts.len())];
        parts.insert(random.below(parts.len() + 1), part);
    }
    let mut packets = ends.handshake();
    packets.extend(
        parts
            .into_iter()
            .map(|(from, to)| ends.says(from, 0, &stream[from..to])),
    );
    packets
}

fn datagrams(random: &mut Random, ends: Ends, id: usize, name: Option<&str>) -> Vec<Vec<u8>> {
    let message = random.hello(name);
    let mut frames: Vec<_> = random
        .cuts(message.len(), 12)
        .into_iter()
        .map(|(from, to)| crypto(from, &message[from..to]))
        .collect();
    random.shuffle(&mut frames);
    let id = (id as u64 + 1).to_be_bytes();
    let is_two = random.below(4) == 0;
    let first = random.below(100) as u32;
    let size = 1 + random.below(frames.len());
    frames
        .chunks(size)
        .zip(first..)
        .map(|(frames, number)| {
            let initial = Initial {
                is_two,
                number,
                number_length: 1 + random.below(4),
                ..Initial::to(&id)
            };
            let padding = vec![0; random.below(3)];
            let frames = [padding, frames.join(&1)].concat();
            ends.udp(&initial.packet(&padded(frames)))
        })
        .collect()
}
