//! Does a connection's payload go past TCP? In a sockmap (`BPF_MAP_TYPE_SOCKMAP`, since 4.14) programs send it on from socket to socket,
//! and `struct tcp_sock` knows nothing of it. Whatever the map's programs are, such a
//! socket has another function to receive with than TCP's own.

use tracer_common::map::PROTOCOL_TCP;

use crate::{
    maps::TCP_RECEIVE,
    memory::read,
    offsets::{PROTO_RECEIVE, SOCK_PROTO, SOCK_PROTOCOL, TCP_UPPER, is_known},
};

/// Learns TCP's own function of the socket at `sock`, which sends its SYN: none is in a sockmap before its handshake is complete. The
/// tracer's connection to itself is the first.
#[inline(always)]
pub fn learn(sock: u64) {
    if let Some(own) = TCP_RECEIVE.get_ptr_mut(0) {
        // SAFETY: a live map value; all write the same.
        unsafe {
            if *own == 0 && read::<u16>(sock, &SOCK_PROTOCOL) == u16::from(PROTOCOL_TCP) {
                *own = receive_of(sock);
            }
        }
    }
}

/// Whether the socket at `sock` is in a sockmap now. TLS in the kernel has functions of its own too, above TCP.
#[inline(always)]
pub fn is_past(sock: u64) -> bool {
    // SAFETY: a live map value.
    let own = TCP_RECEIVE.get_ptr(0).map_or(0, |own| unsafe { *own });
    own != 0 && receive_of(sock) != own && read::<u64>(sock, &TCP_UPPER) == 0
}

/// Address of the function that receives; TCP's own over IPv4 and IPv6 are one. 0 where the kernel does not tell where it stands.
#[inline(always)]
fn receive_of(sock: u64) -> u64 {
    if is_known(&SOCK_PROTO) && is_known(&PROTO_RECEIVE) && is_known(&TCP_UPPER) {
        read(read(sock, &SOCK_PROTO), &PROTO_RECEIVE)
    } else {
        0
    }
}
