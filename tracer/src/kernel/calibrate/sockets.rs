//! The sockets of which every value is known: thin, checked calls, and a deadline on each that waits.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// How long loopback may take. It takes microseconds; an emulated machine takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// An IP socket, closed with the value.
pub struct Socket(OwnedFd);

impl Socket {
    pub fn new(family: i32, kind: i32, protocol: i32) -> io::Result<Self> {
        // SAFETY: makes a descriptor, which nobody else has.
        let descriptor =
            checked(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// A stream at an address of the family, its port the kernel's choice.
    pub fn bound(kind: i32, address: IpAddr) -> anyhow::Result<Self> {
        let family = if address.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let socket = Self::new(family, kind, 0).context("make a socket")?;
        let name = encode(SocketAddr::new(address, 0));
        // SAFETY: the name is as long as is said.
        checked(unsafe {
            libc::bind(
                socket.0.as_raw_fd(),
                name.as_ptr().cast(),
                name.len() as libc::socklen_t,
            )
        })
        .with_context(|| format!("bind a socket to {address}\nhint: bring the loopback interface up: ip link set lo up"))?;
        Ok(socket)
    }

    /// `AF_INET` or `AF_INET6`.
    pub fn family(&self) -> io::Result<i32> {
        self.option(libc::SOL_SOCKET, libc::SO_DOMAIN)
            .map(i32::from_ne_bytes)
    }

    pub fn listen(&self) -> io::Result<()> {
        // SAFETY: a plain call on a descriptor of ours.
        checked(unsafe { libc::listen(self.0.as_raw_fd(), 8) }).map(drop)
    }

    pub fn accept(&self) -> anyhow::Result<Self> {
        self.wait(libc::POLLIN)?;
        // SAFETY: asks for no address; makes a descriptor, which nobody else has.
        let descriptor = checked(unsafe {
            libc::accept4(
                self.0.as_raw_fd(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                libc::SOCK_CLOEXEC,
            )
        })
        .context("accept a connection of our own")?;
        // SAFETY: as above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    pub fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        let name = encode(remote);
        self.connect_to(&name)
    }

    /// Dissolves the association of a socket of datagrams.
    pub fn disconnect(&self) -> io::Result<()> {
        self.connect_to(&(libc::AF_UNSPEC as u16).to_ne_bytes().repeat(8))
    }

    fn connect_to(&self, name: &[u8]) -> io::Result<()> {
        // SAFETY: the name is as long as is said.
        checked(unsafe {
            libc::connect(
                self.0.as_raw_fd(),
                name.as_ptr().cast(),
                name.len() as libc::socklen_t,
            )
        })
        .map(drop)
    }

    pub fn local(&self) -> anyhow::Result<SocketAddr> {
        let mut name = [0_u8; 28];
        let mut length = name.len() as libc::socklen_t;
        // SAFETY: the kernel writes at most the length that is given.
        checked(unsafe {
            libc::getsockname(
                self.0.as_raw_fd(),
                name.as_mut_ptr().cast(),
                &raw mut length,
            )
        })?;
        let port = u16::from_be_bytes([name[2], name[3]]);
        match i32::from(u16::from_ne_bytes([name[0], name[1]])) {
            libc::AF_INET => Ok(SocketAddr::new(
                IpAddr::from([name[4], name[5], name[6], name[7]]),
                port,
            )),
            libc::AF_INET6 => {
                let address: [u8; 16] = name[8..24].try_into()?;
                Ok(SocketAddr::new(IpAddr::from(address), port))
            }
            family => bail!("a socket of ours is of family {family}"),
        }
    }

    pub fn set(&self, level: i32, option: i32, value: i32) -> io::Result<()> {
        self.set_bytes(level, option, &value.to_ne_bytes())
    }

    pub fn set_bytes(&self, level: i32, option: i32, value: &[u8]) -> io::Result<()> {
        // SAFETY: the value is as long as is said.
        checked(unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                level,
                option,
                value.as_ptr().cast(),
                value.len() as libc::socklen_t,
            )
        })
        .map(drop)
    }

    /// An option's value, zeroes behind what the kernel knows of it.
    pub fn option<const N: usize>(&self, level: i32, option: i32) -> io::Result<[u8; N]> {
        let mut value = [0_u8; N];
        let mut length = N as libc::socklen_t;
        // SAFETY: the kernel writes at most the length that is given.
        checked(unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                level,
                option,
                value.as_mut_ptr().cast(),
                &raw mut length,
            )
        })?;
        Ok(value)
    }

    pub fn cookie(&self) -> io::Result<u64> {
        self.option(libc::SOL_SOCKET, libc::SO_COOKIE)
            .map(u64::from_ne_bytes)
    }

    /// Makes it another user's, as `netd` of Android does for apps: the kernel takes that down in the socket since 4.10.
    pub fn give_to(&self, user: u32) -> io::Result<()> {
        // SAFETY: a plain call on a descriptor of ours; the group stays.
        checked(unsafe { libc::fchown(self.0.as_raw_fd(), user, u32::MAX) }).map(drop)
    }

    pub fn send(&self, bytes: &[u8], flags: i32) -> io::Result<usize> {
        // SAFETY: the bytes are as many as is said.
        checked_size(unsafe {
            libc::send(
                self.0.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                flags | libc::MSG_NOSIGNAL,
            )
        })
    }

    pub fn send_to(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<usize> {
        let name = encode(remote);
        // SAFETY: bytes and name are as many as is said.
        checked_size(unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
                name.as_ptr().cast(),
                name.len() as libc::socklen_t,
            )
        })
    }

    /// Takes so many bytes and throws them away.
    pub fn receive(&self, mut length: usize) -> anyhow::Result<()> {
        let mut buffer = vec![0_u8; 1 << 16];
        while length > 0 {
            self.wait(libc::POLLIN)?;
            // SAFETY: the kernel writes at most the length that is given.
            let taken = checked_size(unsafe {
                libc::recv(
                    self.0.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len().min(length),
                    0,
                )
            })?;
            if taken == 0 {
                bail!("a connection of our own ended too early");
            }
            length -= taken;
        }
        Ok(())
    }

    pub fn shutdown(&self, how: i32) -> io::Result<()> {
        // SAFETY: a plain call on a descriptor of ours.
        checked(unsafe { libc::shutdown(self.0.as_raw_fd(), how) }).map(drop)
    }

    /// Waits for one of these events.
    pub fn wait(&self, events: i16) -> anyhow::Result<()> {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events,
            revents: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        while poll.revents & events == 0 {
            // SAFETY: one structure is given.
            let result = unsafe { libc::poll(&raw mut poll, 1, 100) };
            if result < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return Err(io::Error::last_os_error()).context("wait for a socket of our own");
            }
            if Instant::now() > deadline {
                bail!("a socket of our own waits for loopback in vain");
            }
        }
        Ok(())
    }
}

/// Asks until the answer is yes.
pub fn until(what: &str, mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > deadline {
            bail!("it did not come to this over loopback: {what}");
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// An address of loopback.
pub const fn loopback(rest: [u8; 3]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, rest[0], rest[1], rest[2]))
}

/// The same as IPv6 has it: a socket of that family keeps it in its own fields.
pub const fn mapped(rest: [u8; 3]) -> IpAddr {
    IpAddr::V6(Ipv4Addr::new(127, rest[0], rest[1], rest[2]).to_ipv6_mapped())
}

/// `struct sockaddr_in` or `struct sockaddr_in6`, part of the kernel's interface to user space.
fn encode(address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(address) => [
            &(libc::AF_INET as u16).to_ne_bytes()[..],
            &port,
            &address.ip().octets(),
            &[0; 8],
        ]
        .concat(),
        SocketAddr::V6(address) => [
            &(libc::AF_INET6 as u16).to_ne_bytes()[..],
            &port,
            &[0; 4],
            &address.ip().octets(),
            &[0; 4],
        ]
        .concat(),
    }
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn checked_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
