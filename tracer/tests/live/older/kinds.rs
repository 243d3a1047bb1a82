//! Connections of every kind that a socket can be asked for by: both families, addresses of one in sockets of the other, a link's
//! own addresses, and sockets bound to a device.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream},
    ops::RangeInclusive,
    os::fd::AsRawFd as _,
    thread,
};

use crate::support::{Namespace, ip};

/// Where one end listens, and how the other one calls.
const KINDS: [(&str, &str); 6] = [
    ("127.0.0.1:7001", "127.0.0.1:7001"),
    ("[::1]:7002", "[::1]:7002"),
    ("[::]:7003", "127.0.0.1:7003"),
    ("[fe80::1]:7004", "[fe80::1]:7004"),
    (BOUND, BOUND),
    (TO_BE_BOUND, TO_BE_BOUND),
];
/// The ports of all.
pub const PORTS: RangeInclusive<u16> = 7001..=7006;
/// Whose caller is bound to a device from the start.
const BOUND: &str = "127.0.0.1:7005";
/// Whose caller will be.
const TO_BE_BOUND: &str = "127.0.0.1:7006";

/// One of each, this process at both ends.
pub struct Kinds(Vec<(TcpListener, TcpStream, TcpStream)>);

impl Kinds {
    pub fn in_namespace(host: &Namespace) -> Self {
        ip(&format!("-n {} link add d0 type veth peer name d1", host.0));
        for device in ["d0", "d1"] {
            ip(&format!("-n {} link set {device} up", host.0));
        }
        ip(&format!("-n {} addr add fe80::1/64 dev d0 nodad", host.0));
        // A thread of its own, which does not come back from there; the sockets stay where they were made.
        let all = thread::scope(|scope| scope.spawn(|| make(host)).join());
        Self(all.expect("make connections"))
    }

    /// Binds the caller that was bound to nothing yet.
    pub fn bind(&self) {
        let to_be_bound = |caller: &&TcpStream| address(caller) == TO_BE_BOUND;
        let mut callers = self.0.iter().map(|(_, caller, _)| caller);
        bind_to_loopback(callers.find(to_be_bound).expect("the caller"));
    }

    /// The first caller ends its connection and begins another one with the same socket.
    pub fn connect_anew(&self) {
        let caller = &self.0[0].1;
        let to = caller.peer_addr().expect("the other end");
        // Of no family: it is connected to nobody.
        connect(caller, &[0; 16]);
        let mut address = [0; 16];
        address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        address[2..4].copy_from_slice(&to.port().to_be_bytes());
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        connect(caller, &address);
    }

    /// So many bytes from each caller, and they have arrived.
    pub fn send(&mut self, bytes: usize) {
        for (_, caller, accepted) in &mut self.0 {
            caller.write_all(&vec![1; bytes]).expect("send");
            let mut arrived = vec![0; bytes];
            accepted.read_exact(&mut arrived).expect("receive");
        }
    }
}

fn make(host: &Namespace) -> Vec<(TcpListener, TcpStream, TcpStream)> {
    let namespace = File::open(format!("/run/netns/{}", host.0)).expect("the namespace");
    // SAFETY: changes the namespace of this thread only, which ends soon.
    let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(entered, 0, "enter the namespace");
    let connect = |(listen, call): &(&str, &str)| {
        let listener = TcpListener::bind(scoped(listen)).expect("listen");
        let caller = TcpStream::connect(scoped(call)).expect("connect");
        if *call == BOUND {
            bind_to_loopback(&caller);
        }
        let (accepted, _) = listener.accept().expect("accept");
        (listener, caller, accepted)
    };
    KINDS.iter().map(connect).collect()
}

/// A link's own addresses are on that device only.
fn scoped(address: &str) -> SocketAddr {
    let address = address.parse().expect("an address");
    match address {
        SocketAddr::V6(address) if address.ip().is_unicast_link_local() => {
            // SAFETY: a name that ends with a zero byte.
            let device = unsafe { libc::if_nametoindex(c"d0".as_ptr()) };
            assert_ne!(device, 0, "the device");
            let ip: Ipv6Addr = *address.ip();
            SocketAddrV6::new(ip, address.port(), 0, device).into()
        }
        address => address,
    }
}

/// The address is a `struct sockaddr`.
fn connect(caller: &TcpStream, address: &[u8; 16]) {
    let (start, size) = (address.as_ptr().cast(), address.len() as u32);
    // SAFETY: the kernel reads `size` bytes of the address.
    let connected = unsafe { libc::connect(caller.as_raw_fd(), start, size) };
    assert_eq!(connected, 0, "connect");
}

fn bind_to_loopback(caller: &TcpStream) {
    let name = c"lo";
    let (start, size) = (name.as_ptr().cast(), name.count_bytes() as u32);
    let descriptor = caller.as_raw_fd();
    // SAFETY: the kernel reads `size` bytes of the name.
    let bound = unsafe {
        libc::setsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            start,
            size,
        )
    };
    assert_eq!(bound, 0, "bind to a device");
}

fn address(caller: &TcpStream) -> String {
    caller.peer_addr().expect("the other end").to_string()
}
