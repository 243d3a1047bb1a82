//! `attempts`: TCP connects that fail before a SYN leaves.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::datagram::reason;
use crate::deny::Denial;
use crate::kernel::checked;
use crate::socket;
use crate::truth::Truth;

#[derive(Args)]
pub struct Attempts {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// How each connect must fail
    #[arg(long)]
    pub errno: Errno,
    /// Bind to this address first
    #[arg(long)]
    pub from: Option<IpAddr>,
    /// Make the connects fail, with a program on a cgroup of one's own: EPERM
    #[arg(long)]
    pub deny: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Errno {
    /// No route
    Enetunreach,
    /// A route of type unreachable
    Ehostunreach,
    /// A route of type prohibit
    Eacces,
    /// A cgroup's program, as with --deny
    Eperm,
    /// The same four addresses and ports are taken: the first connect takes them, and succeeds
    Eaddrnotavail,
    /// A route of type blackhole, or a loopback source for a destination elsewhere
    Einval,
}

impl Errno {
    fn number(self) -> i32 {
        match self {
            Self::Enetunreach => libc::ENETUNREACH,
            Self::Ehostunreach => libc::EHOSTUNREACH,
            Self::Eacces => libc::EACCES,
            Self::Eperm => libc::EPERM,
            Self::Eaddrnotavail => libc::EADDRNOTAVAIL,
            Self::Einval => libc::EINVAL,
        }
    }
}

pub fn run(arguments: &Attempts) -> Result<()> {
    let denial = arguments.deny.then(Denial::new).transpose()?;
    let mut truth = Truth::default();
    let mut from = arguments.from.map(|from| SocketAddr::new(from, 0));
    let mut first = None;
    if arguments.errno == Errno::Eaddrnotavail {
        let socket = open(arguments, from)?;
        socket::connect(&socket, arguments.to).context("connect first")?;
        truth.establish();
        from = Some(local_address(&socket)?);
        first = Some(socket);
    }
    for _ in 0..arguments.times {
        let socket = open(arguments, from)?;
        let Err(error) = socket::connect(&socket, arguments.to) else {
            bail!("{} was connected", arguments.to);
        };
        check(&error, arguments.errno)?;
        truth.note(reason(&error), 1);
    }
    if let Some(first) = &first {
        socket::reset_on_close(first)?;
    }
    drop(denial);
    let errno = arguments.errno.to_possible_value();
    let errno = errno.as_ref().map(clap::builder::PossibleValue::get_name);
    truth.print_with(arguments.to, json!({ "errno": errno }));
    Ok(())
}

fn check(error: &io::Error, expected: Errno) -> Result<()> {
    ensure!(
        error.raw_os_error() == Some(expected.number()),
        "the connect failed otherwise: {error}"
    );
    Ok(())
}

fn open(arguments: &Attempts, from: Option<SocketAddr>) -> Result<OwnedFd> {
    let socket = socket::open(arguments.to).context("socket")?;
    let on: libc::c_int = 1;
    socket::set(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &on)?;
    if let Some(from) = from {
        socket::bind(&socket, from)?;
    } else if arguments.errno == Errno::Eaddrnotavail {
        // Bound by hand, a port can be had twice.
        let any: IpAddr = if arguments.to.is_ipv4() {
            [0; 4].into()
        } else {
            [0u16; 8].into()
        };
        socket::bind(&socket, (any, 0).into())?;
    }
    Ok(socket)
}

fn local_address(socket: &OwnedFd) -> Result<SocketAddr> {
    // SAFETY: all-zero bytes are a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut bytes = size_of_val(&storage) as libc::socklen_t;
    let start = (&raw mut storage).cast();
    // SAFETY: the kernel writes at most `bytes` bytes to the address.
    checked(unsafe { libc::getsockname(socket.as_raw_fd(), start, &raw mut bytes) })
        .context("getsockname")?;
    socket::decode(&storage).context("a local address")
}
