//! `serve-associations`: sends every message back.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::Style;
use crate::kernel::checked;
use crate::serve::{ending_signals, wait_for_end};
use crate::{message, socket};

#[derive(Args)]
pub struct ServeAssociations {
    #[arg(long, required = true, num_args = 1..)]
    pub listen: Vec<SocketAddr>,
    /// How this end has its associations; the clients may have theirs in either way
    #[arg(long, default_value = "one-to-one")]
    pub style: Style,
    /// Give each association of one-to-many a socket of its own, behind its first message (`SCTP_SOCKOPT_PEELOFF`)
    #[arg(long)]
    pub peel_off: bool,
    /// End when stdin closes, not only on SIGTERM
    #[arg(long)]
    pub until_stdin_closes: bool,
}

const BACKLOG: libc::c_int = 1024;
/// How soon the end is noticed when nothing happens.
const TICK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Count {
    /// Associations that had at least one message: remotes, each once.
    remotes: HashSet<SocketAddr>,
    received: u64,
    sent: u64,
}

#[expect(
    clippy::print_stdout,
    reason = "readiness and counts are this program's data"
)]
pub fn run(arguments: &ServeAssociations) -> Result<()> {
    let ending = ending_signals()?;
    let sockets = arguments
        .listen
        .iter()
        .map(|address| Ok((listen(*address, arguments.style)?, *address)))
        .collect::<Result<Vec<_>>>()?;
    println!("ready");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = sockets
            .iter()
            .map(|(socket, address)| {
                let serve = || match arguments.style {
                    Style::OneToOne => serve_each(socket, &stop),
                    Style::OneToMany if arguments.peel_off => serve_peeled(socket, &stop),
                    Style::OneToMany => serve_all(socket, &stop),
                };
                (address, scope.spawn(serve))
            })
            .collect();
        let waited = wait_for_end(&ending, arguments.until_stdin_closes);
        stop.store(true, Ordering::Relaxed);
        for (address, thread) in threads {
            let count = thread.join().expect("the server does not panic")?;
            println!(
                "{}",
                json!({
                    "listen": address.ip().to_canonical().to_string(),
                    "port": address.port(),
                    "contacts": count.remotes.len(),
                    "received": count.received,
                    "sent": count.sent,
                })
            );
        }
        waited
    })
}

fn listen(address: SocketAddr, style: Style) -> Result<OwnedFd> {
    let socket = super::open(address.ip(), style)?;
    let on: libc::c_int = 1;
    socket::set(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &on)?;
    message::give_up_after(&socket, TICK)?;
    socket::bind(&socket, address)?;
    // SAFETY: no memory is involved.
    checked(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })
        .with_context(|| format!("listen on {address}"))?;
    Ok(socket)
}

/// One association after the other.
fn serve_each(listener: &OwnedFd, stop: &AtomicBool) -> Result<Count> {
    let mut count = Count::default();
    while let Some((socket, from)) = wait(stop, || accept(listener))? {
        count.remotes.insert(from);
        message::give_up_after(&socket, TICK)?;
        let mut buffer = vec![0; 1 << 16];
        while let Some(taken) = wait(stop, || gone(message::receive(&socket, &mut buffer, 0)))? {
            if taken == 0 {
                break;
            }
            count.received += taken;
            // An association may end before its echo is through.
            count.sent += gone(message::send(&socket, &buffer[..taken as usize], None, 0))?;
        }
    }
    Ok(count)
}

/// All associations through one socket.
fn serve_all(socket: &OwnedFd, stop: &AtomicBool) -> Result<Count> {
    let mut count = Count::default();
    let mut buffer = vec![0; 1 << 16];
    while let Some((taken, from)) = wait(stop, || message::receive_from(socket, &mut buffer, 0))? {
        count.remotes.insert(from);
        count.received += taken;
        let to = socket::encode(from);
        let echo = message::send(socket, &buffer[..taken as usize], Some(&to), 0);
        count.sent += gone(echo)?;
    }
    Ok(count)
}

/// Each association through a socket of its own from its first message on, one after the other.
fn serve_peeled(listener: &OwnedFd, stop: &AtomicBool) -> Result<Count> {
    let mut count = Count::default();
    let mut buffer = vec![0; 1 << 16];
    while let Some((first, from)) = wait(stop, || message::receive_from(listener, &mut buffer, 0))?
    {
        count.remotes.insert(from);
        let socket = peel_off(listener, from).context("peel an association off")?;
        message::give_up_after(&socket, TICK)?;
        let mut taken = first;
        while taken != 0 {
            count.received += taken;
            count.sent += gone(message::send(&socket, &buffer[..taken as usize], None, 0))?;
            taken = loop {
                match gone(message::receive(&socket, &mut buffer, 0)) {
                    // Such a socket has no end of its own.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        if stop.load(Ordering::Relaxed) || is_over(&socket) {
                            break 0;
                        }
                    }
                    taken => break taken?,
                }
            };
        }
    }
    Ok(count)
}

// include/uapi/linux/sctp.h.
const SOL_SCTP: libc::c_int = 132;
const SCTP_STATUS: libc::c_int = 14;
const SCTP_GET_PEER_ADDR_INFO: libc::c_int = 15;
const SCTP_SOCKOPT_PEELOFF: libc::c_int = 102;

/// `struct sctp_paddrinfo`.
#[repr(C)]
struct Peer {
    association: i32,
    address: [u8; size_of::<libc::sockaddr_storage>()],
    rest: [u32; 5],
}

/// `sctp_peeloff_arg_t`.
#[repr(C)]
struct PeelOff {
    association: i32,
    socket: libc::c_int,
}

fn peel_off(listener: &OwnedFd, from: SocketAddr) -> io::Result<OwnedFd> {
    let mut peer = Peer {
        association: 0,
        address: [0; _],
        rest: [0; 5],
    };
    let encoded = socket::encode(from);
    // SAFETY: an encoded address has that many bytes, and no more than its place.
    unsafe {
        let bytes = encoded.length() as usize;
        let to = peer.address.as_mut_ptr();
        std::ptr::copy_nonoverlapping(encoded.pointer().cast::<u8>(), to, bytes);
    }
    get(listener, SCTP_GET_PEER_ADDR_INFO, &mut peer)?;
    let mut peeled = PeelOff {
        association: peer.association,
        socket: -1,
    };
    get(listener, SCTP_SOCKOPT_PEELOFF, &mut peeled)?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(peeled.socket) })
}

/// Whether the socket's only association has ended.
fn is_over(socket: &OwnedFd) -> bool {
    // `struct sctp_status`, of which nothing is read.
    let mut status = [0_u32; 64];
    get(socket, SCTP_STATUS, &mut status).is_err()
}

/// Asks for an option; `value` says of what, and takes the answer.
fn get<T>(socket: &OwnedFd, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let (to, mut bytes) = (
        std::ptr::from_mut(value).cast(),
        size_of::<T>() as libc::socklen_t,
    );
    // SAFETY: the kernel reads and writes at most `bytes` bytes of the value.
    checked(unsafe { libc::getsockopt(socket.as_raw_fd(), SOL_SCTP, name, to, &raw mut bytes) })?;
    Ok(())
}

/// None when it is quiet after the end was asked for.
fn wait<T>(stop: &AtomicBool, mut call: impl FnMut() -> io::Result<T>) -> Result<Option<T>> {
    loop {
        match call() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("serve"),
        }
    }
}

/// An association that was aborted is like one that has ended.
fn gone(done: io::Result<u64>) -> io::Result<u64> {
    match done {
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ECONNRESET | libc::EPIPE | libc::ENOTCONN)
            ) =>
        {
            Ok(0)
        }
        done => done,
    }
}

fn accept(listener: &OwnedFd) -> io::Result<(OwnedFd, SocketAddr)> {
    // SAFETY: all-zero bytes are a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut bytes = size_of_val(&storage) as libc::socklen_t;
    let (from, flags) = ((&raw mut storage).cast(), libc::SOCK_CLOEXEC);
    // SAFETY: the kernel writes at most `bytes` bytes to the address.
    let accepted =
        checked(unsafe { libc::accept4(listener.as_raw_fd(), from, &raw mut bytes, flags) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    let accepted = unsafe { OwnedFd::from_raw_fd(accepted) };
    let from = socket::decode(&storage).ok_or(ErrorKind::InvalidData)?;
    Ok((accepted, from))
}
