//! What does the kernel's `sock_diag` say of sockets in the network namespace of this thread?
//!
//! It is asked for all of them, or for some by name: to look for all walks the tables of all namespaces.

use anyhow::{Context as _, bail};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

/// Sockets that are asked for in one go. All answers wait in the receive buffer, of which they may take 2 KB each; by default
/// it has 200 KB.
const AT_ONCE: usize = 32;
/// Room for one answer, which takes half a kilobyte.
const ANSWER: usize = 8192;

/// All of a protocol that are in one of the states.
pub fn all(protocol: u8, states: StateFlags) -> anyhow::Result<Vec<InetResponse>> {
    let mut all = dump(SocketId::new_v4(), protocol, states.clone())?;
    all.extend(dump(SocketId::new_v6(), protocol, states)?);
    Ok(all)
}

/// Those TCP sockets of these names that are still there. A name has the cookie: another socket of the same addresses is no answer.
pub fn named(names: &[SocketId]) -> anyhow::Result<Vec<InetResponse>> {
    let socket = open()?;
    let mut found = Vec::new();
    let mut answer = Vec::with_capacity(ANSWER);
    for some in names.chunks(AT_ONCE) {
        socket.send(&requests(some), 0).context("ask sock_diag")?;
        // One for each, and all of them are there when it has been asked: none is worth waiting for.
        for _ in some {
            answer.clear();
            socket
                .recv(&mut answer, libc::MSG_DONTWAIT)
                .context("read from sock_diag")?;
            found.extend(one(&answer)?);
        }
    }
    Ok(found)
}

/// The requests for sockets by name, one behind the other.
fn requests(names: &[SocketId]) -> Vec<u8> {
    let ask = |name: &SocketId| request(0, name.clone(), IPPROTO_TCP, StateFlags::all());
    names.iter().flat_map(ask).collect()
}

/// What an answer for a name says; nothing where the socket is gone.
fn one(answer: &[u8]) -> anyhow::Result<Option<InetResponse>> {
    let message = decode(answer)?;
    match message.payload {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
            Ok(Some(*response))
        }
        NetlinkPayload::Error(error) => match error.to_io() {
            gone if gone.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            other => Err(other).context("sock_diag refused"),
        },
        _ => bail!("sock_diag gave no answer for a socket"),
    }
}

/// Those of the family that the empty name is of.
fn dump(empty: SocketId, protocol: u8, states: StateFlags) -> anyhow::Result<Vec<InetResponse>> {
    let socket = open()?;
    socket
        .send(&request(NLM_F_DUMP, empty, protocol, states), 0)
        .context("ask sock_diag")?;
    let mut responses = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full().context("read from sock_diag")?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let message = decode(rest)?;
            // Messages are aligned to four bytes (NLMSG_ALIGN).
            let length = (message.header.length as usize)
                .next_multiple_of(4)
                .clamp(1, rest.len());
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    responses.push(*response);
                }
                NetlinkPayload::Done(_) => return Ok(responses),
                NetlinkPayload::Error(error) => {
                    return Err(error.to_io()).context("sock_diag refused");
                }
                _ => {}
            }
            rest = &rest[length..];
        }
    }
}

fn open() -> anyhow::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG).context("open sock_diag")?;
    socket.bind_auto().context("bind sock_diag")?;
    socket
        .connect(&SocketAddr::new(0, 0))
        .context("connect to sock_diag")?;
    Ok(socket)
}

fn request(flags: u16, socket_id: SocketId, protocol: u8, states: StateFlags) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut request = NetlinkMessage::new(
        header,
        SockDiagMessage::InetRequest(InetRequest {
            family: if socket_id.source_address.is_ipv4() {
                AF_INET
            } else {
                AF_INET6
            },
            protocol,
            extensions: ExtensionFlags::INFO,
            states,
            socket_id,
        })
        .into(),
    );
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    bytes
}

fn decode(answer: &[u8]) -> anyhow::Result<NetlinkMessage<SockDiagMessage>> {
    NetlinkMessage::deserialize(answer).context("decode an answer of sock_diag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socket_is_asked_for_by_its_whole_name_and_without_a_dump() {
        let name = |source: &str, destination: &str| SocketId {
            source_port: 0x0102,
            destination_port: 0x0304,
            source_address: source.parse().expect("an address"),
            destination_address: destination.parse().expect("an address"),
            interface_id: 7,
            cookie: [1, 2, 3, 4, 5, 6, 7, 8],
        };
        let bytes = requests(&[name("10.1.2.3", "10.4.5.6"), name("fd00::1", "fd00::2")]);
        // struct nlmsghdr (16 bytes) and struct inet_diag_req_v2 (56), include/uapi/linux/{netlink,inet_diag}.h.
        assert_eq!(bytes.len(), 2 * 72);
        for (request, family, ends) in [
            (
                &bytes[..72],
                AF_INET,
                [[10, 1, 2, 3], [10, 4, 5, 6]].map(|four| {
                    let mut address = [0; 16];
                    address[..4].copy_from_slice(&four);
                    address
                }),
            ),
            (
                &bytes[72..],
                AF_INET6,
                ["fd00::1", "fd00::2"].map(|text| {
                    text.parse::<std::net::Ipv6Addr>()
                        .expect("an address")
                        .octets()
                }),
            ),
        ] {
            assert_eq!(request[..4], 72_u32.to_ne_bytes());
            assert_eq!(request[4..6], 20_u16.to_ne_bytes(), "SOCK_DIAG_BY_FAMILY");
            assert_eq!(request[6..8], NLM_F_REQUEST.to_ne_bytes());
            // INET_DIAG_INFO is the second extension.
            assert_eq!(request[16..19], [family, IPPROTO_TCP, 1 << 1]);
            assert_eq!(request[24..28], [1, 2, 3, 4], "ports");
            assert_eq!(request[28..44], ends[0]);
            assert_eq!(request[44..60], ends[1]);
            assert_eq!(request[60..64], 7_u32.to_ne_bytes(), "interface");
            assert_eq!(request[64..72], [1, 2, 3, 4, 5, 6, 7, 8], "cookie");
        }
    }
}
