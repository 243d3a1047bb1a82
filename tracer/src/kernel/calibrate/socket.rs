//! How does one get from a `struct sock` to its `struct socket` and back, and from there to its file?

use super::{
    Offsets,
    objects::{Objects, SOCK_BYTES},
    peek::Peek,
    search::{Places, Ways, all, is_address},
};

/// Bytes that are looked at of a `struct socket`; it has 40 ahead of its queue.
const SOCKET_BYTES: usize = 64;
/// Of a `struct file`, which leads back to the socket; it has up to 300.
const FILE_BYTES: usize = 512;

// include/uapi/linux/net.h, `enum socket_state`
const UNCONNECTED: u32 = 1;
const CONNECTED: u32 = 3;

pub fn measure(peek: &Peek, objects: &Objects, offsets: &mut Offsets) -> anyhow::Result<()> {
    let mut known = Vec::new();
    for stream in &objects.streams {
        known.push((stream.sock, CONNECTED));
        known.push((stream.listener_sock, UNCONNECTED));
    }
    let datagrams = objects.plain.iter().chain(&objects.multicast);
    known.extend(datagrams.map(|datagram| (datagram.sock, UNCONNECTED)));
    // The socket leads back to the sock.
    let mut ways = Ways::default();
    for (sock, _) in &known {
        ways.keep(&peek.bytes(*sock, SOCK_BYTES)?, |address| {
            let bytes = peek.bytes(address, SOCKET_BYTES)?;
            Ok(all(&bytes, 8, &sock.to_ne_bytes()))
        })?;
    }
    let (socket_at, sock_at) = ways.only("SOCK_SOCKET, SOCKET_SOCK")?;
    let (mut places, mut files) = (Places::default(), Ways::default());
    for (sock, state) in &known {
        let socket = peek.pointer(sock + u64::from(socket_at))?;
        let bytes = peek.bytes(socket, SOCKET_BYTES)?;
        places.look("SOCKET_STATE", 4, &bytes, &state.to_ne_bytes());
        // The file leads back to the socket; so does the sock, which is known.
        files.keep(&bytes, |address| {
            if address == *sock || !is_address(address) {
                return Ok(Vec::new());
            }
            let bytes = peek.bytes(address, FILE_BYTES)?;
            let leads_back = !all(&bytes, 8, &socket.to_ne_bytes()).is_empty();
            Ok(if leads_back { vec![()] } else { Vec::new() })
        })?;
    }
    offsets.put("SOCK_SOCKET", socket_at);
    offsets.put("SOCKET_SOCK", sock_at);
    offsets.put("SOCKET_STATE", places.only("SOCKET_STATE")?);
    offsets.put("SOCKET_FILE", files.only("SOCKET_FILE")?.0);
    Ok(())
}
