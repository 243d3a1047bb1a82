//! Where does a `struct tcp_sock` keep what passed over it? The kernel tells the same numbers in `TCP_INFO`, so
//! connections carry unusual amounts and both are compared.

use std::{io, net::IpAddr};

use anyhow::bail;

use super::{
    Offsets,
    objects::{SOCK_BYTES, Stream},
    peek::Peek,
    search::{Places, number},
    sequence,
    sockets::{Socket, loopback, mapped, until},
};

/// `struct tcp_info` as it is since 4.19 (include/uapi/linux/tcp.h), to `tcpi_bytes_retrans` and somewhat further.
const INFORMATION: usize = 232;
pub const SEGMENT_SIZE: usize = 16;
pub const UNACKNOWLEDGED: usize = 24;
pub const SELECTIVELY: usize = 28;
const BYTES_ACKNOWLEDGED: usize = 120;
const BYTES_RECEIVED: usize = 128;
const SEGMENTS_OUT: usize = 136;
pub const NOT_SENT: usize = 144;
const BYTES_SENT: usize = 200;
const BYTES_RETRANSMITTED: usize = 208;

/// Fields that `TCP_INFO` tells: width and place there.
const TOLD: &[(&str, usize, usize)] = &[
    ("TCP_SEGMENTS_OUT", 4, SEGMENTS_OUT),
    ("TCP_BYTES_SENT", 8, BYTES_SENT),
    ("TCP_BYTES_RETRANSMITTED", 8, BYTES_RETRANSMITTED),
    ("TCP_BYTES_RECEIVED", 8, BYTES_RECEIVED),
    ("TCP_BYTES_ACKNOWLEDGED", 8, BYTES_ACKNOWLEDGED),
];

/// Times that a moment is waited for in which nothing changes.
pub const TRIES: u32 = 50;

/// From where to where, and how much each way.
const STREAMS: &[(IpAddr, IpAddr, usize, usize)] = &[
    (loopback([15, 2, 77]), loopback([41, 53, 9]), 12_345, 3_456),
    (mapped([18, 8, 35]), mapped([84, 6, 71]), 2_049, 20_202),
    (loopback([93, 14, 5]), loopback([29, 88, 3]), 7_001, 811),
];

pub fn measure(peek: &mut Peek, offsets: &mut Offsets) -> anyhow::Result<()> {
    let data = offsets.get("PACKET_DATA")?;
    let mut places = Places::default();
    let mut streams = Vec::new();
    for (between, (local, remote, out, back)) in STREAMS.iter().enumerate() {
        // Small segments, so that several are sent of what fits any window.
        let prepare = |socket: &Socket| socket.set(libc::IPPROTO_TCP, libc::TCP_MAXSEG, 1000);
        let stream = Stream::open(peek, *local, *remote, between, prepare)?;
        counters(peek, &stream, &mut places)?;
        for round in 1..3 {
            pass(&stream.client, &stream.server, out + round)?;
            pass(&stream.server, &stream.client, back * round)?;
            counters(peek, &stream, &mut places)?;
        }
        // Both rounds went there.
        let next = sequence::first(&stream, data).wrapping_add((2 * out + 3) as u32);
        streams.push((stream, next));
    }
    sequence::look(peek, &mut streams, &mut places)?;
    for (stream, _) in &streams {
        // Now something of each has been retransmitted.
        counters(peek, stream, &mut places)?;
    }
    let told = TOLD.iter().map(|(name, ..)| *name);
    for name in told.chain(sequence::NAMES) {
        offsets.put(name, places.only(name)?);
    }
    Ok(())
}

/// Compares the structure with what the kernel tells, in a moment in which that does not change.
fn counters(peek: &Peek, stream: &Stream, places: &mut Places) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        let before = Information::of(&stream.client)?.0;
        let bytes = peek.bytes(stream.sock, SOCK_BYTES)?;
        let after = Information::of(&stream.client)?.0;
        let same = |(_, width, at): &(&str, usize, usize)| {
            before[*at..at + width] == after[*at..at + width]
        };
        if TOLD.iter().all(same) {
            for (name, width, at) in TOLD {
                places.look(name, *width, &bytes, &after[*at..at + width]);
            }
            return Ok(());
        }
    }
    bail!("a connection of our own does not come to rest")
}

/// Sends so much and waits until it is acknowledged.
fn pass(from: &Socket, to: &Socket, length: usize) -> anyhow::Result<()> {
    let bytes = vec![0xa5; length];
    let mut sent = 0;
    while sent < length {
        sent += from.send(&bytes[sent..], 0)?;
    }
    to.receive(length)?;
    until("all of it is acknowledged", || {
        Ok(Information::of(from)?.number(UNACKNOWLEDGED) == 0)
    })
}

/// `TCP_INFO`.
pub struct Information(pub [u8; INFORMATION]);

impl Information {
    pub fn of(socket: &Socket) -> io::Result<Self> {
        socket.option(libc::IPPROTO_TCP, libc::TCP_INFO).map(Self)
    }

    /// A number of 32 bits of it.
    pub fn number(&self, at: usize) -> u32 {
        number::<4>(&self.0, at).unwrap_or(0) as u32
    }
}
