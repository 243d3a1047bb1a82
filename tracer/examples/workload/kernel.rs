//! What the workload asks the kernel about a socket, and the limits it asks for itself.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// `SIOCOUTQNSD` of linux/sockios.h, which the libc crate lacks.
const SIOCOUTQNSD: libc::Ioctl = 0x894B;

/// The socket's own counters: the second opinion on the truth.
pub struct Counters {
    /// Payload that left, each byte once.
    pub sent: u64,
    /// Payload that arrived; a FIN that arrived is one more.
    pub received: u64,
    /// The window the peer offers now.
    pub window: u32,
}

/// `struct tcp_info` of linux/tcp.h as bytes: the libc crate's ends before the byte counters.
pub fn counters(socket: &impl AsFd) -> Result<Counters> {
    let mut info = [0u8; 232];
    let mut length = info.len() as libc::socklen_t;
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes to `info`.
    let answer = unsafe {
        libc::getsockopt(
            descriptor,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    checked(answer).context("TCP_INFO")?;
    ensure!(
        length as usize == info.len(),
        "TCP_INFO has only {length} bytes on this kernel"
    );
    let long = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&info[at..at + 8]);
        u64::from_ne_bytes(bytes)
    };
    Ok(Counters {
        // tcpi_bytes_sent - tcpi_bytes_retrans
        sent: long(200) - long(208),
        // tcpi_bytes_received
        received: long(128),
        // tcpi_snd_wnd, the high half on the little-endian machines this runs on
        window: (long(224) >> 32) as u32,
    })
}

/// Bytes that have arrived and were not read.
pub fn unread(socket: &impl AsFd) -> Result<u64> {
    queue(socket, libc::FIONREAD).context("FIONREAD")
}

/// Bytes that were written and not acknowledged, whether they left or not.
pub fn unacknowledged(socket: &impl AsFd) -> Result<u64> {
    queue(socket, libc::TIOCOUTQ).context("SIOCOUTQ")
}

/// Bytes that were written and have never left.
pub fn unsent(socket: &impl AsFd) -> Result<u64> {
    queue(socket, SIOCOUTQNSD).context("SIOCOUTQNSD")
}

fn queue(socket: &impl AsFd, question: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: each of these questions writes one int.
    checked(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), question, &raw mut bytes) })?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

/// Turns the -1 of a system call into its error.
pub fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

/// The same for calls that give back a length.
pub fn length(answer: libc::ssize_t) -> io::Result<u64> {
    u64::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// Whatever hangs, hangs no longer than this patience. The alarm survives exec but not fork.
pub fn end_after(seconds: u32) {
    let seconds = patience(seconds.into()).as_secs();
    // SAFETY: no memory is involved.
    unsafe { libc::alarm(seconds.try_into().unwrap_or(libc::c_uint::MAX)) };
}

/// How long what does not come is waited for: so many seconds, or more on an emulated machine, where all is slower.
pub fn patience(seconds: u64) -> Duration {
    let is_virtual = std::env::var_os("TRACER_VM").is_some();
    Duration::from_secs(if is_virtual { seconds * 12 } else { seconds })
}

/// Thousands of connections at a time need more descriptors than the usual soft limit.
pub fn allow_many_files() -> Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one rlimit.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })
        .context("getrlimit")?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one rlimit.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
        .context("setrlimit")?;
    Ok(())
}

/// Before Linux 5.11 programs of BPF take locked memory, of which a process has little.
pub fn allow_locked_memory() {
    let all = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the kernel reads one rlimit. Where it is refused, what needs it will say so.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const all) };
}
