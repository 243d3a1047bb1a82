//! Opens sockets by hand: std offers neither options before connect nor the failed socket's error alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::kernel::checked;

/// As large as the usual net.core.somaxconn: a storm must not overflow the queue, or its truth would
/// depend on the speed of the server.
const BACKLOG: libc::c_int = 4096;

/// An address in the kernel's form.
pub struct Encoded {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl Encoded {
    pub fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub fn length(&self) -> libc::socklen_t {
        self.length
    }
}

pub fn encode(address: SocketAddr) -> Encoded {
    // SAFETY: all-zero bytes are a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let length = match address {
        SocketAddr::V4(v4) => {
            let form = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*v4.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is large and aligned enough for every address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(form) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let form = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(form) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    Encoded {
        storage,
        length: length as libc::socklen_t,
    }
}

/// Has what is sent go by `hop` first (RFC 791, "Loose Source and Record Route").
pub fn route_through(socket: &OwnedFd, hop: Ipv4Addr) -> Result<()> {
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const END: u8 = 0;
    let [a, b, c, d] = hop.octets();
    // Kind, length, where the next address stands, that address.
    let options = [LOOSE_SOURCE_ROUTE, 7, 4, a, b, c, d, END];
    // SAFETY: the kernel reads so many bytes there.
    let set = checked(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            options.as_ptr().cast(),
            options.len() as libc::socklen_t,
        )
    });
    set.context("IP_OPTIONS").map(drop)
}

/// The reverse of `encode`; none for an address that is neither v4 nor v6.
pub fn decode(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let pointer = std::ptr::from_ref(storage);
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one, and sockaddr_storage is large enough for it.
            let form = unsafe { pointer.cast::<libc::sockaddr_in>().read() };
            let address = Ipv4Addr::from(u32::from_be(form.sin_addr.s_addr));
            Some((address, u16::from_be(form.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let form = unsafe { pointer.cast::<libc::sockaddr_in6>().read() };
            let address = Ipv6Addr::from(form.sin6_addr.s6_addr);
            let port = u16::from_be(form.sin6_port);
            Some(SocketAddrV6::new(address, port, 0, form.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The address that makes a v6 socket speak v4.
pub fn v4_mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddrV6::new(v4.to_ipv6_mapped(), address.port(), 0, 0).into(),
        IpAddr::V6(_) => address,
    }
}

pub fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    open_as(family(address.ip()), libc::SOCK_STREAM, 0)
}

pub fn family(address: IpAddr) -> libc::c_int {
    if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

pub fn open_as(
    family: libc::c_int,
    kind: libc::c_int,
    protocol: libc::c_int,
) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let socket = checked(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    if let Some(name) = DEVICE.get() {
        set(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name).map_err(io::Error::other)?;
    }
    Ok(socket)
}

/// The name of the interface that all sockets are bound to, NUL behind it.
static DEVICE: OnceLock<[u8; libc::IFNAMSIZ]> = OnceLock::new();

/// From now on each socket is bound to that interface, if there is one.
pub fn bind_all_to(device: Option<&str>) -> Result<()> {
    if let Some(device) = device {
        let mut name = [0; libc::IFNAMSIZ];
        ensure!(device.len() < name.len(), "no interface has so long a name");
        name[..device.len()].copy_from_slice(device.as_bytes());
        DEVICE.get_or_init(|| name);
    }
    Ok(())
}

pub fn connect(socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
    let address = encode(address);
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: pointer and length are of one encoded address.
    checked(unsafe { libc::connect(descriptor, address.pointer(), address.length()) })?;
    Ok(())
}

pub fn bind(socket: &impl AsFd, address: SocketAddr) -> Result<()> {
    let encoded = encode(address);
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: pointer and length are of one encoded address.
    checked(unsafe { libc::bind(descriptor, encoded.pointer(), encoded.length()) })
        .with_context(|| format!("bind {address}"))?;
    Ok(())
}

pub fn listen(address: SocketAddr) -> Result<TcpListener> {
    listen_as(address, 0)
}

pub fn listen_as(address: SocketAddr, protocol: libc::c_int) -> Result<TcpListener> {
    let socket = to_listen(address, protocol)?;
    bind(&socket, address)?;
    begin_to_listen(&socket, address)?;
    Ok(socket.into())
}

/// A socket to listen with, neither bound nor listening.
pub fn to_listen(address: SocketAddr, protocol: libc::c_int) -> Result<OwnedFd> {
    let on: libc::c_int = 1;
    let socket = open_as(family(address.ip()), libc::SOCK_STREAM, protocol).context("socket")?;
    set(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &on)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and :: can be listened on at one port, each with its own count.
        set(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &on)?;
    }
    Ok(socket)
}

pub fn begin_to_listen(socket: &impl AsFd, address: SocketAddr) -> Result<()> {
    // SAFETY: no memory is involved.
    checked(unsafe { libc::listen(socket.as_fd().as_raw_fd(), BACKLOG) })
        .with_context(|| format!("listen on {address}"))?;
    Ok(())
}

/// Has the socket at that place of its `SO_REUSEPORT` group get all that comes for the group.
pub fn choose(socket: &impl AsFd, place: u32) -> Result<()> {
    // `return place`, in classic BPF.
    let mut code = [libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: place,
    }];
    let program = libc::sock_fprog {
        len: code.len() as u16,
        filter: code.as_mut_ptr(),
    };
    set(
        socket,
        libc::SOL_SOCKET,
        libc::SO_ATTACH_REUSEPORT_CBPF,
        &program,
    )
}

/// Makes the coming close a reset: no time-wait, no source port kept.
pub fn reset_on_close(socket: &impl AsFd) -> Result<()> {
    let now = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    set(socket, libc::SOL_SOCKET, libc::SO_LINGER, &now)
}

pub fn set<T>(socket: &impl AsFd, level: libc::c_int, name: libc::c_int, value: &T) -> Result<()> {
    let descriptor = socket.as_fd().as_raw_fd();
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of the value.
    checked(unsafe {
        libc::setsockopt(
            descriptor,
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length,
        )
    })
    .with_context(|| format!("set option {name} of level {level}"))?;
    Ok(())
}
