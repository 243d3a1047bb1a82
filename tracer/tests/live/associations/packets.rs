//! Which packets of SCTP pass an interface? AF_PACKET tells their bytes, which no program at either end knows.

use std::{
    collections::BTreeMap,
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use crate::support::Namespace;

/// Bytes from one end to another, behind the IP header.
pub type Passed = BTreeMap<(SocketAddr, SocketAddr), u64>;

/// As in the IP header.
const SCTP: u8 = 132;
const IPV6_HEADER: usize = 40;
/// How soon the end is noticed when nothing passes.
const TICK: libc::timeval = libc::timeval {
    tv_sec: 0,
    tv_usec: 50_000,
};
/// More than passes while this is not running.
const ROOM: libc::c_int = 32 << 20;

/// Watches the interfaces of a namespace until it is asked what has passed.
pub struct Watch {
    thread: JoinHandle<Passed>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    pub fn start(host: &Namespace) -> Self {
        let namespace = File::open(format!("/run/netns/{}", host.0)).expect("the namespace");
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let asked = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let socket = open(&namespace);
            ready.send(()).expect("somebody waits");
            watch(&socket, &asked)
        });
        is_ready.recv().expect("the watch has begun");
        Self { thread, stop }
    }

    pub fn finish(self) -> Passed {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch ends well")
    }
}

/// A socket for the packets of the namespace, which this thread goes to for good.
fn open(namespace: &File) -> OwnedFd {
    // SAFETY: no memory is involved.
    let moved = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(moved, 0, "go to the namespace");
    let every = libc::c_int::from((libc::ETH_P_ALL as u16).to_be());
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is involved.
    let socket = unsafe { libc::socket(libc::AF_PACKET, kind, every) };
    assert!(socket >= 0, "a socket for packets");
    // SAFETY: the descriptor is new, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    set(&socket, libc::SO_RCVTIMEO, &TICK);
    set(&socket, libc::SO_RCVBUFFORCE, &ROOM);
    socket
}

fn set<T>(socket: &OwnedFd, name: libc::c_int, value: &T) {
    let (start, bytes) = (std::ptr::from_ref(value).cast(), size_of::<T>());
    let bytes = bytes as libc::socklen_t;
    // SAFETY: the kernel reads the value.
    let answer =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, start, bytes) };
    assert_eq!(answer, 0, "set option {name}");
}

fn watch(socket: &OwnedFd, stop: &AtomicBool) -> Passed {
    let mut passed = Passed::new();
    let mut start = [0; 128];
    loop {
        // With MSG_TRUNC the answer is the length of the packet, not that of its start.
        let flags = libc::MSG_TRUNC;
        let (descriptor, buffer) = (socket.as_raw_fd(), start.as_mut_ptr().cast());
        // SAFETY: the kernel writes within the buffer.
        let length = unsafe { libc::recv(descriptor, buffer, start.len(), flags) };
        if let Ok(length) = usize::try_from(length) {
            if let Some((ends, bytes)) = parse(&start[..length.min(start.len())], length) {
                *passed.entry(ends).or_default() += bytes;
            }
        } else if stop.load(Ordering::Relaxed) {
            assert_eq!(dropped(socket), 0, "packets passed unseen");
            return passed;
        }
    }
}

/// Both ends of a packet of SCTP, and its bytes behind the IP header.
fn parse(start: &[u8], length: usize) -> Option<((SocketAddr, SocketAddr), u64)> {
    let (header, protocol, source, destination): (_, _, IpAddr, IpAddr) = match start.first()? >> 4
    {
        4 => {
            let address = |at| Some(Ipv4Addr::from(*start.get(at..)?.first_chunk()?).into());
            let header = usize::from(start[0] & 15) * 4;
            (header, *start.get(9)?, address(12)?, address(16)?)
        }
        6 => {
            let address = |at| Some(Ipv6Addr::from(*start.get(at..)?.first_chunk()?).into());
            (IPV6_HEADER, *start.get(6)?, address(8)?, address(24)?)
        }
        _ => return None,
    };
    let port = |at| {
        Some(u16::from_be_bytes(
            *start.get(header + at..)?.first_chunk()?,
        ))
    };
    let ends = (
        SocketAddr::new(source, port(0)?),
        SocketAddr::new(destination, port(2)?),
    );
    (protocol == SCTP).then(|| (ends, (length - header) as u64))
}

/// Packets for which there was no room.
fn dropped(socket: &OwnedFd) -> u32 {
    // `struct tpacket_stats` of linux/if_packet.h: packets, and of them dropped.
    let mut told = [0u32; 2];
    let mut bytes = size_of_val(&told) as libc::socklen_t;
    let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    let (descriptor, start) = (socket.as_raw_fd(), told.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `bytes` bytes.
    let answer = unsafe { libc::getsockopt(descriptor, level, name, start, &raw mut bytes) };
    assert_eq!(answer, 0, "ask what was dropped");
    told[1]
}
