//! The server: one thread and one event loop for each listening address.

mod connection;
mod events;
mod listener;

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io, thread};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::arguments::Serve;
use crate::kernel::checked;
use crate::socket;

const FAST_OPEN: &str = "/proc/sys/net/ipv4/tcp_fastopen";

/// `SD_LISTEN_FDS_START`: where systemd, too, leaves the first socket of a service.
pub const INHERITED: RawFd = 3;

/// What arrived at and left this end, for one listening address.
#[derive(Default)]
pub struct Count {
    pub accepted: u64,
    pub received: u64,
    pub sent: u64,
}

#[expect(
    clippy::print_stdout,
    reason = "readiness and counts are this program's data"
)]
pub fn run(arguments: &Serve) -> Result<()> {
    // Before the threads start, so that they inherit the mask and only the descriptor gets the signal.
    let ending = ending_signals()?;
    let mut listeners = Vec::new();
    if arguments.inherited {
        // SAFETY: `activate` puts it there, and nothing else of this process has taken that number.
        let listener = unsafe { TcpListener::from_raw_fd(INHERITED) };
        let address = listener.local_addr().context("the listener's address")?;
        listeners.push((listener, address));
    }
    for asked in &arguments.listen {
        let socket = prepare(arguments, *asked)?;
        if arguments.refused {
            return be_refused(&socket, *asked);
        }
        socket::begin_to_listen(&socket, *asked)?;
        if let Some(place) = arguments.chosen {
            socket::choose(&socket, place)?;
        }
        let listener = TcpListener::from(socket);
        if arguments.fast_open {
            allow_fast_open(&listener)?;
        }
        let address = listener.local_addr().context("the listener's address")?;
        if asked.port() == 0 || arguments.unbound {
            println!("listening {address}");
        }
        listeners.push((listener, address));
    }
    println!("ready");
    if arguments.wait {
        wait_for_line()?;
    }

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = listeners
            .iter()
            .map(|(listener, address)| (address, scope.spawn(|| listener::serve(listener, &stop))))
            .collect();
        let waited = wait_for_end(&ending, arguments.until_stdin_closes);
        stop.store(true, Ordering::Relaxed);
        for (address, thread) in threads {
            let count = thread.join().expect("the event loop does not panic")?;
            println!(
                "{}",
                json!({
                    "listen": address.ip().to_canonical().to_string(),
                    "port": address.port(),
                    "accepted": count.accepted,
                    "received": count.received,
                    "sent": count.sent,
                })
            );
        }
        waited
    })
}

fn wait_for_line() -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("read stdin")?;
    Ok(())
}

/// Is bound; after a line from stdin, when somebody else listens there, it tries to.
#[expect(clippy::print_stdout, reason = "readiness is this program's data")]
fn be_refused(socket: &OwnedFd, asked: SocketAddr) -> Result<()> {
    println!("ready");
    wait_for_line()?;
    match socket::begin_to_listen(socket, asked) {
        Ok(()) => bail!("nobody refused to let it listen on {asked}"),
        Err(_) => Ok(()),
    }
}

/// A socket that is all but listening.
fn prepare(arguments: &Serve, asked: SocketAddr) -> Result<OwnedFd> {
    let protocol = if arguments.multipath {
        libc::IPPROTO_MPTCP
    } else {
        0
    };
    let socket = socket::to_listen(asked, protocol)?;
    let on: libc::c_int = 1;
    if arguments.reuse_port {
        socket::set(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, &on)?;
    }
    if arguments.transparent {
        socket::set(&socket, libc::SOL_IP, libc::IP_TRANSPARENT, &on)?;
    }
    if !arguments.unbound {
        socket::bind(&socket, asked)?;
    }
    Ok(socket)
}

fn allow_fast_open(listener: &TcpListener) -> Result<()> {
    // Client and server, for this network namespace.
    fs::write(FAST_OPEN, "3").with_context(|| format!("write {FAST_OPEN}"))?;
    let waiting: libc::c_int = 1024;
    socket::set(listener, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &waiting)
}

/// SIGTERM and SIGINT as a descriptor, blocked for this thread and those it starts.
pub fn ending_signals() -> Result<OwnedFd> {
    // SAFETY: all-zero bytes are a valid, empty set.
    let mut signals: libc::sigset_t = unsafe { std::mem::zeroed() };
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the set is initialised and the signal exists.
        unsafe { libc::sigaddset(&raw mut signals, signal) };
    }
    // SAFETY: the kernel reads the set; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut()) };
    // SAFETY: the kernel reads the set.
    let descriptor = checked(unsafe { libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC) })
        .context("signalfd")?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

pub fn wait_for_end(ending: &OwnedFd, until_stdin_closes: bool) -> Result<()> {
    let mut stdin = io::stdin();
    let wanted = |descriptor| libc::pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    // poll(2) skips negative descriptors.
    let second = if until_stdin_closes {
        stdin.as_raw_fd()
    } else {
        -1
    };
    loop {
        let mut sources = [wanted(ending.as_raw_fd()), wanted(second)];
        // SAFETY: the kernel reads and writes the two entries.
        match checked(unsafe { libc::poll(sources.as_mut_ptr(), 2, -1) }) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            answer => answer.context("poll")?,
        };
        if sources[0].revents != 0 {
            return Ok(());
        }
        if sources[1].revents != 0 && stdin.read(&mut [0; 64]).context("read stdin")? == 0 {
            return Ok(());
        }
    }
}
