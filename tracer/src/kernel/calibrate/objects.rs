//! The sockets that are looked at: streams and sockets of datagrams over loopback, with where the kernel keeps them.
//!
//! Addresses differ in every byte, so that no two fields of one socket have the same value by chance.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use anyhow::{Context as _, bail};
use tracer_common::peek::{Copied, Packet};

use super::{
    listener, packet,
    peek::Peek,
    search::Places,
    sockets::{Socket, loopback, mapped},
};

/// Bytes that are looked at of a `struct sock` and what extends it. `struct tcp6_sock` has 2,500 to 3,500.
pub const SOCK_BYTES: usize = 4096;
/// Bytes of a segment, less than loopback's, so that a few are soon sent.
const SEGMENT: usize = 1000;
/// Times that a packet of ours is waited for: a timer of somebody else may send one in our thread.
const TRIES: u32 = 20;

/// A TCP connection of ours, both ends.
pub struct Stream {
    pub client: Socket,
    pub server: Socket,
    pub listener: Socket,
    /// The client's `struct sock`.
    pub sock: u64,
    /// The listener's.
    pub listener_sock: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The client's SYN.
    pub syn: Box<Packet>,
    /// The server's `struct sock` when the listener had just made it.
    pub copied: Box<Copied>,
}

impl Stream {
    /// Connects from one address to another; `prepare` may set options before. `between` other sockets are made first: what
    /// stands behind a socket in memory may be the other end of its connection, and is then at another distance.
    pub fn open(
        peek: &mut Peek,
        local: IpAddr,
        remote: IpAddr,
        between: usize,
        prepare: impl Fn(&Socket) -> io::Result<()>,
    ) -> anyhow::Result<Self> {
        for left in (0..TRIES).rev() {
            let listener = Socket::bound(libc::SOCK_STREAM, remote)?;
            listener.listen().context("listen over loopback")?;
            let listener_sock = peek.watched()?.listener;
            let client = Socket::bound(libc::SOCK_STREAM, local)?;
            let family = client.family()?;
            let others = (0..between).map(|_| Socket::new(family, libc::SOCK_STREAM, 0));
            let _others: Vec<_> = others.collect();
            prepare(&client).context("set an option of a socket")?;
            let remote = listener.local()?;
            let syn = peek.packet(|| client.connect(remote).context("connect over loopback"))?;
            let stream = Self {
                sock: peek.watched()?.sock,
                local: client.local()?,
                server: listener.accept()?,
                client,
                listener,
                listener_sock,
                remote,
                syn,
                copied: peek.copied()?,
            };
            if packet::words(&stream.syn, stream.local, stream.remote).is_empty() {
                continue;
            }
            // What looks at the copy may have been skipped, in the middle of itself. A kernel of which no copy leads to its listener is
            // taken as it is.
            if left > 0 && listener::heads(&stream.copied.bytes, listener_sock).is_empty() {
                continue;
            }
            if stream.sock == listener_sock || listener_sock == 0 {
                bail!("inet_sock_set_state did not tell of connections of our own");
            }
            return Ok(stream);
        }
        bail!("the SYN of a connection of our own did not pass net_dev_queue")
    }
}

impl Stream {
    /// Sends what becomes several segments in one packet, whose parts loopback never takes asunder.
    fn send_several(&self, peek: &mut Peek) -> anyhow::Result<Box<Packet>> {
        for _ in 0..TRIES {
            let packet = peek.packet(|| {
                self.client.send(&[0xa5; 5 * SEGMENT / 2], 0)?;
                Ok(())
            })?;
            self.server.receive(5 * SEGMENT / 2)?;
            if !packet::words(&packet, self.local, self.remote).is_empty() {
                return Ok(packet);
            }
        }
        bail!("a packet of a connection of our own did not pass net_dev_queue")
    }
}

/// A socket of datagrams, and a packet that it sent.
pub struct Datagram {
    pub socket: Socket,
    pub sock: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub packet: Box<Packet>,
}

impl Datagram {
    /// Sends `bytes` from a socket and takes the socket's place out of the packet; `owner` is where that stands.
    fn send(
        peek: &mut Peek,
        owner: u32,
        socket: Socket,
        source: SocketAddr,
        remote: SocketAddr,
        bytes: usize,
    ) -> anyhow::Result<Self> {
        for _ in 0..TRIES {
            let packet = peek.packet(|| {
                socket
                    .send_to(&vec![0xa5; bytes], remote)
                    .map(drop)
                    .with_context(|| format!("send a datagram to {remote}"))
            })?;
            if !packet::words(&packet, source, remote).is_empty() {
                return Ok(Self {
                    local: socket.local()?,
                    sock: packet.words[owner as usize / 8],
                    socket,
                    remote,
                    packet,
                });
            }
        }
        bail!("a datagram of our own did not pass net_dev_queue")
    }
}

/// All of them.
pub struct Objects {
    /// Two over IPv4, two over IPv6 (v4-mapped, which needs no address of IPv6).
    pub streams: Vec<Stream>,
    /// A packet of several segments of each.
    pub large: Vec<Packet>,
    /// UDP: bound to an address, with and without checksum.
    pub plain: Vec<Datagram>,
    /// UDP: bound to a multicast address, which the kernel keeps only as the one that receives.
    pub multicast: Vec<Datagram>,
    /// A raw socket.
    pub raw: Datagram,
    /// Receives what they send.
    _receiver: Socket,
}

/// A protocol that nobody has, for the raw socket (RFC 3692).
pub const RAW_PROTOCOL: i32 = 253;

impl Objects {
    pub fn make(peek: &mut Peek) -> anyhow::Result<Self> {
        let small =
            |socket: &Socket| socket.set(libc::IPPROTO_TCP, libc::TCP_MAXSEG, SEGMENT as i32);
        let mut streams = vec![
            Stream::open(peek, loopback([61, 5, 9]), loopback([82, 17, 33]), 0, small)?,
            Stream::open(peek, loopback([44, 8, 3]), loopback([99, 12, 7]), 1, small)?,
        ];
        for (between, local, remote) in [
            (0, [71, 21, 6], [52, 66, 13]),
            (1, [37, 4, 87], [23, 90, 14]),
        ] {
            let stream = Stream::open(peek, mapped(local), mapped(remote), between, small)
                .context("IPv6 is needed to measure this kernel; v4-mapped addresses are enough")?;
            streams.push(stream);
        }
        let owner = owner(&streams)?;
        let mut large = Vec::new();
        for stream in &streams {
            large.push(*stream.send_several(peek)?);
        }
        let receiver = Socket::bound(libc::SOCK_DGRAM, loopback([31, 76, 18]))?;
        let remote = receiver.local()?;
        let mut plain = Vec::new();
        for (address, checksum, bytes) in [
            ([22, 91, 40], true, 333),
            ([56, 70, 11], false, 1021),
            ([19, 34, 28], false, 47),
        ] {
            let socket = Socket::bound(libc::SOCK_DGRAM, loopback(address))?;
            if !checksum {
                socket.set(libc::SOL_SOCKET, libc::SO_NO_CHECK, 1)?;
            }
            let local = socket.local()?;
            plain.push(Datagram::send(peek, owner, socket, local, remote, bytes)?);
        }
        let groups = [
            IpAddr::V4(Ipv4Addr::new(239, 65, 76, 87)),
            IpAddr::V6(Ipv6Addr::new(0xff0e, 0, 0, 0, 0, 0, 0x5a6b, 0x7c8d)),
        ];
        let mut multicast = Vec::new();
        for group in groups {
            let socket = Socket::bound(libc::SOCK_DGRAM, group)?;
            if group.is_ipv6() {
                // Bound to IPv6 alone; without its port it may send over IPv4 again, which needs no address of IPv6.
                socket.disconnect()?;
                socket.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0)?;
            }
            let remote = match group {
                IpAddr::V4(_) => remote,
                IpAddr::V6(_) => SocketAddr::new(mapped([31, 76, 18]), remote.port()),
            };
            // The kernel chooses the source.
            let source = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
            multicast.push(Datagram::send(peek, owner, socket, source, remote, 81)?);
        }
        let raw = Socket::new(libc::AF_INET, libc::SOCK_RAW, RAW_PROTOCOL)
            .context("make a raw socket\nhint: run as root")?;
        let anywhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let to = SocketAddr::new(loopback([47, 58, 69]), 0);
        let raw = Datagram::send(peek, owner, raw, anywhere, to, 65)?;
        Ok(Self {
            streams,
            large,
            plain,
            multicast,
            raw,
            _receiver: receiver,
        })
    }
}

/// Where a `struct sk_buff` has its socket: connections tell, of which both are known.
fn owner(streams: &[Stream]) -> anyhow::Result<u32> {
    let mut places = Places::default();
    for stream in streams {
        let bytes = packet::bytes(&stream.syn);
        places.look("sk_buff.sk", 8, bytes, &stream.sock.to_ne_bytes());
    }
    places.only("sk_buff.sk")
}
