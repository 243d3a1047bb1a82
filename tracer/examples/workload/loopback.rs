//! `loopback`: from one socket to another of this process, and how long it took. For measurements.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::kernel::checked;

#[derive(Args)]
pub struct Loopback {
    #[arg(long)]
    pub protocol: Protocol,
    /// Datagrams, each taken before the next is sent; for TCP writes, taken by another thread as they come, but in rounds as datagrams are
    #[arg(long)]
    pub times: u64,
    /// Of the loopback interface; both sockets are there
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub address: IpAddr,
    /// Sends so many for each line on standard input, over the same sockets, and says how long each round took
    #[arg(long)]
    pub rounds: bool,
    /// Payload bytes of each
    #[arg(long)]
    pub bytes: usize,
    /// Seconds before the clock runs, of which each has a datagram
    #[arg(long, default_value_t = 0)]
    pub age: u32,
    /// Datagrams that are sent after the clock has stopped, none of them taken before the last is sent
    #[arg(long, default_value_t = 0)]
    pub burst: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    Udp,
    Tcp,
}

/// Sets nothing up and ends nothing while the clock runs.
#[expect(clippy::print_stdout, reason = "the time is this program's data")]
pub fn run(arguments: &Loopback) -> Result<()> {
    let processors = processors()?;
    // The last, as the first has the interrupts of many machines.
    let last = processors.len() - 1;
    let (nanoseconds, kept) = match arguments.protocol {
        Protocol::Udp => {
            stay_on(processors[last])?;
            datagrams(arguments)?
        }
        Protocol::Tcp if arguments.rounds => {
            stay_on(processors[last])?;
            (segments(arguments)?, 0)
        }
        Protocol::Tcp => {
            stay_on(processors[last])?;
            (stream(arguments, processors[last.saturating_sub(1)])?, 0)
        }
    };
    println!("{}", json!({ "nanoseconds": nanoseconds, "kept": kept }));
    Ok(())
}

/// Nanoseconds, and how many of the burst the queue had room for.
fn datagrams(arguments: &Loopback) -> Result<(u64, u64)> {
    let open = || UdpSocket::bind((arguments.address, 0)).context("bind");
    let (from, to) = (open()?, open()?);
    let address = to.local_addr().context("the socket's address")?;
    from.connect(address).context("connect")?;
    let payload = vec![b'.'; arguments.bytes];
    let mut buffer = vec![0; arguments.bytes];
    let mut pass = || {
        from.send(&payload).context("send")?;
        let taken = to.recv(&mut buffer).context("receive")?;
        ensure!(taken == arguments.bytes, "half a datagram came");
        Ok(())
    };
    // The first one finds caches cold, and whoever counts opens the contact.
    pass()?;
    for _ in 0..arguments.age {
        thread::sleep(Duration::from_secs(1));
        pass()?;
    }
    let nanoseconds = rounds(arguments, &mut pass)?;
    for _ in 0..arguments.burst {
        from.send(&payload).context("send")?;
    }
    to.set_nonblocking(true)
        .context("make the socket non-blocking")?;
    let mut kept = 0;
    while to.recv(&mut buffer).is_ok() {
        kept += 1;
    }
    Ok((nanoseconds, kept))
}

/// As many rounds as are asked for, and one more: nanoseconds of the last.
#[expect(clippy::print_stdout, reason = "as above")]
fn rounds(arguments: &Loopback, mut pass: impl FnMut() -> Result<()>) -> Result<u64> {
    let mut round = || {
        // Both ends are of this thread, which never sleeps: its time on the processor is all that the datagrams take, and
        // nothing of what others do on it meanwhile.
        let start = on_processor()?;
        for _ in 0..arguments.times {
            pass()?;
        }
        anyhow::Ok(on_processor()?.saturating_sub(start).as_nanos() as u64)
    };
    if arguments.rounds {
        for line in io::stdin().lines() {
            line.context("read standard input")?;
            println!("{}", json!({ "nanoseconds": round()? }));
        }
    }
    round()
}

/// A segment of TCP at a time, each taken before the next is sent. Nanoseconds of the last round.
fn segments(arguments: &Loopback) -> Result<u64> {
    let listener = TcpListener::bind((arguments.address, 0)).context("listen")?;
    let address = listener.local_addr().context("the listener's address")?;
    let mut from = TcpStream::connect(address).context("connect")?;
    let (mut to, _) = listener.accept().context("accept")?;
    from.set_nodelay(true).context("TCP_NODELAY")?;
    let payload = vec![b'.'; arguments.bytes];
    let mut buffer = vec![0; arguments.bytes];
    rounds(arguments, || {
        from.write_all(&payload).context("send")?;
        to.read_exact(&mut buffer).context("receive")
    })
}

/// What this thread has had of the processors so far.
fn on_processor() -> Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec.
    checked(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) })
        .context("clock_gettime")?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

fn stream(arguments: &Loopback, taker: usize) -> Result<u64> {
    let listener = TcpListener::bind((arguments.address, 0)).context("listen")?;
    let address = listener.local_addr().context("the listener's address")?;
    let mut from = TcpStream::connect(address).context("connect")?;
    let (mut to, _) = listener.accept().context("accept")?;
    let payload = vec![b'.'; arguments.bytes];
    let all = arguments.times * arguments.bytes as u64;
    thread::scope(|scope| {
        let taking = scope.spawn(move || {
            stay_on(taker)?;
            let (mut buffer, mut taken) = (vec![0; 1 << 18], 0);
            to.read_exact(&mut [0]).context("receive")?;
            let start = Instant::now();
            while taken < all {
                let now = to.read(&mut buffer).context("receive")?;
                ensure!(now > 0, "it ended before all had come");
                taken += now as u64;
            }
            Ok(start.elapsed().as_nanos() as u64)
        });
        from.write_all(b".").context("send")?;
        for _ in 0..arguments.times {
            from.write_all(&payload).context("send")?;
        }
        taking.join().expect("the other thread does not panic")
    })
}

/// Numbers of the processors that this thread may run on.
fn processors() -> Result<Vec<usize>> {
    // SAFETY: all-zero bytes are a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most the size of the set.
    checked(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })
        .context("sched_getaffinity")?;
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: each number is below the size of the set.
    let found: Vec<usize> = all
        .filter(|number| unsafe { libc::CPU_ISSET(*number, &set) })
        .collect();
    ensure!(!found.is_empty(), "no processor");
    Ok(found)
}

/// Keeps this thread, and those it starts, on one processor.
fn stay_on(processor: usize) -> Result<()> {
    // SAFETY: all-zero bytes are a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is of a processor in a set of the same size.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the kernel reads the set.
    checked(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) })
        .context("sched_setaffinity")?;
    Ok(())
}
