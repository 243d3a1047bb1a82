//! Addresses and ports of a `struct sock`, in the form that keys have.

use aya_ebpf::Global;
use tracer_common::Address;

use crate::{
    memory::{read, read_at},
    offsets::{
        SOCK_FAMILY, SOCK_LOCAL_IPV4, SOCK_LOCAL_IPV6, SOCK_REMOTE_IPV4, SOCK_REMOTE_IPV6,
        SOCK_REMOTE_PORT,
    },
};

// include/linux/socket.h
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;

/// The remote's address, and its port in the machine's byte order.
#[inline(always)]
pub fn remote(sock: u64) -> (Address, u16) {
    (
        either(sock, &SOCK_REMOTE_IPV4, &SOCK_REMOTE_IPV6),
        u16::from_be(read(sock, &SOCK_REMOTE_PORT)),
    )
}

/// The local address.
#[inline(always)]
pub fn local(sock: u64) -> Address {
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

/// Address and port of a `struct sockaddr` in kernel memory; `None` where it is of another family. `AF_UNSPEC` is IPv4, as
/// the kernel takes it.
#[inline(always)]
pub fn name_of(name: u64) -> Option<(Address, u16)> {
    let port = u16::from_be(read_at(name + 2));
    match read_at::<u16>(name) {
        0 | AF_INET => Some((Address::mapped(read_at(name + 4)), port)),
        AF_INET6 => Some((read_at(name + 8), port)),
        _ => None,
    }
}
