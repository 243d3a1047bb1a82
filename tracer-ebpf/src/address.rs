//! Addresses and ports of a `struct sock`, in the form that keys have.

use aya_ebpf::Global;
use tracer_common::Address;

use crate::{
    clock::zero,
    memory::{read, read_at},
    offsets::{
        NAMESPACE_INODE, SOCK_COOKIE, SOCK_FAMILY, SOCK_INTERFACE, SOCK_LOCAL_IPV4,
        SOCK_LOCAL_IPV6, SOCK_NAMESPACE, SOCK_REMOTE_IPV4, SOCK_REMOTE_IPV6, SOCK_REMOTE_PORT,
        SOCK_SOURCE_PORT, SOCK_STATE, is_known,
    },
};

// include/linux/socket.h
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;

/// [`Address::ANY`], of which the compiler does not know that it is zeroes: it would make a call to set them.
#[inline(always)]
pub fn none() -> Address {
    let zero = zero() as u32;
    Address::of_words([zero, zero, zero, zero])
}

/// Bytes at the beginning of a `struct sock` that have most of what is asked of one (`struct sock_common`).
const HEAD: usize = 96;

/// The beginning of a `struct sock`, read at once: a read is a call, which costs as much as a dozen loads.
pub struct Head {
    sock: u64,
    bytes: [u64; HEAD / 8],
}

impl Head {
    #[inline(always)]
    pub fn of(sock: u64) -> Self {
        Self {
            sock,
            bytes: read_at(sock),
        }
    }

    /// To the verifier an offset is a constant: one of the two ways is not there.
    #[inline(always)]
    fn field<T: Copy>(&self, field: &Global<u32>) -> T {
        let offset = field.load() as usize;
        if offset <= HEAD - size_of::<T>() {
            // SAFETY: within the bytes, and aligned as in the kernel's structure; any bits are a value of `T`.
            unsafe { (&raw const self.bytes).byte_add(offset).cast::<T>().read() }
        } else {
            read(self.sock, field)
        }
    }

    #[inline(always)]
    fn either(&self, ipv4: &Global<u32>, ipv6: &Global<u32>) -> Address {
        if self.field::<u16>(&SOCK_FAMILY) == AF_INET6 {
            self.field(ipv6)
        } else {
            Address::mapped(self.field(ipv4))
        }
    }

    /// As [`remote`].
    #[inline(always)]
    pub fn remote(&self) -> (Address, u16) {
        (
            self.either(&SOCK_REMOTE_IPV4, &SOCK_REMOTE_IPV6),
            u16::from_be(self.field(&SOCK_REMOTE_PORT)),
        )
    }

    /// The local address and port, the latter in the machine's byte order, also of a socket that has given its port back.
    #[inline(always)]
    pub fn local(&self) -> (Address, u16) {
        (
            self.either(&SOCK_LOCAL_IPV4, &SOCK_LOCAL_IPV6),
            u16::from_be(self.field(&SOCK_SOURCE_PORT)),
        )
    }

    /// As [`namespace`].
    #[inline(always)]
    pub fn namespace(&self) -> u32 {
        read(self.field(&SOCK_NAMESPACE), &NAMESPACE_INODE)
    }

    /// As [`interface`].
    #[inline(always)]
    pub fn interface(&self) -> u32 {
        if is_known(&SOCK_INTERFACE) {
            self.field(&SOCK_INTERFACE)
        } else {
            0
        }
    }

    /// The socket's cookie; 0 where nobody has asked for one.
    #[inline(always)]
    pub fn cookie(&self) -> u64 {
        self.field(&SOCK_COOKIE)
    }

    /// A state of TCP's (include/net/tcp_states.h).
    #[inline(always)]
    pub fn state(&self) -> u8 {
        self.field(&SOCK_STATE)
    }
}

/// The remote's address, and its port in the machine's byte order.
#[inline(always)]
pub fn remote(sock: u64) -> (Address, u16) {
    (
        either(sock, &SOCK_REMOTE_IPV4, &SOCK_REMOTE_IPV6),
        u16::from_be(read(sock, &SOCK_REMOTE_PORT)),
    )
}

/// Inode number of the network namespace.
#[inline(always)]
pub fn namespace(sock: u64) -> u32 {
    read(read(sock, &SOCK_NAMESPACE), &NAMESPACE_INODE)
}

/// The local address.
#[inline(always)]
fn local(sock: u64) -> Address {
    either(sock, &SOCK_LOCAL_IPV4, &SOCK_LOCAL_IPV6)
}

#[inline(always)]
fn either(sock: u64, ipv4: &Global<u32>, ipv6: &Global<u32>) -> Address {
    if read::<u16>(sock, &SOCK_FAMILY) == AF_INET6 {
        read(sock, ipv6)
    } else {
        Address::mapped(read(sock, ipv4))
    }
}

/// The index of the interface or VRF that the socket at `sock` is bound to, as it is to that of a link-local remote that it is connected
/// to. 0 where there is none, or it is not known.
///
/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
#[unsafe(export_name = "address_interface")]
pub extern "C" fn interface(sock: u64) -> u32 {
    if is_known(&SOCK_INTERFACE) {
        read(sock, &SOCK_INTERFACE)
    } else {
        0
    }
}

/// Address and port of a `struct sockaddr` in kernel memory; `None` where it is of another family. `AF_UNSPEC` is IPv4, as
/// the kernel takes it.
#[inline(always)]
pub fn name_of(name: u64) -> Option<(Address, u16)> {
    /// `struct sockaddr_in`, and the beginning of IPv6's.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Name {
        family: u16,
        port: u16,
        address: u32,
    }
    let read: Name = read_at(name);
    let port = u16::from_be(read.port);
    match read.family {
        0 | AF_INET => Some((Address::mapped(read.address), port)),
        AF_INET6 => Some((read_at(name + 8), port)),
        _ => None,
    }
}

/// The interface that a `struct sockaddr_in6` in kernel memory names (`sin6_scope_id`), 0 where it names none or is not there.
#[inline(always)]
pub fn scope_of(name: u64) -> u32 {
    if name == 0 { 0 } else { read_at(name + 24) }
}

/// The same remote; of `INADDR_ANY`, and that of IPv6, what the kernel makes of it: the socket's own address, or the loopback one.
#[inline(always)]
pub fn of_this_host(sock: u64, remote: Address) -> Address {
    const LOOPBACK: u32 = u32::from_ne_bytes([127, 0, 0, 1]);
    const LAST_OF_LOOPBACK: u32 = 1_u32.to_be();
    if !remote.is_any() {
        return remote;
    }
    if !remote.is_mapped() {
        return Address::of_words([0, 0, 0, LAST_OF_LOOPBACK]);
    }
    let own = local(sock);
    if own.is_any() {
        Address::mapped(LOOPBACK)
    } else {
        own
    }
}
