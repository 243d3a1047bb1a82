//! `churn`: one app that begins and ends contacts all the time, at a given pace and over several protocols at once.
//!
//! Both ends of each contact are of one thread, so that at each moment it knows what has passed: its truth is exact.

mod books;
mod datagrams;
mod server;
mod streams;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use books::Books;
use datagrams::Datagrams;
use streams::Streams;

#[derive(Args)]
pub struct Churn {
    /// Over which protocols, in turns; SCTP is left out where the kernel has none
    #[arg(long, required = true, value_delimiter = ',')]
    pub protocols: Vec<Protocol>,
    /// Contacts begun a second, of all protocols together
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub pace: u64,
    #[arg(long)]
    pub seconds: u64,
    /// An address that drops; without it every handshake is answered at once
    #[arg(long)]
    pub silent: Option<IpAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// Nobody listens there: the port of the discard service.
const CLOSED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);
/// Contacts of a protocol that are begun before one ends. At 100 of them a second each lives 160 ms: a scrape sees it.
const LAG: usize = 16;
/// How many kinds of contacts a protocol has in turns.
const KINDS: u64 = 8;
/// Beside them one contact of each protocol is used again and again, and replaced when it is so old: over datagrams long
/// enough for whatever the tracer does with flows that last. The servers of datagrams have other sockets as often, so
/// that not all their contacts are open to the end.
const LIFE: Duration = Duration::from_secs(5);
/// It is used once in so many turns.
const USE: u64 = 4;

/// What each contact passes, and what comes back.
const REQUEST: [u8; 100] = [b'?'; 100];
const ANSWER: [u8; 300] = [b'!'; 300];

/// The contacts over one protocol.
trait Contacts {
    /// Begins one, and ends the one that has been open for long enough.
    fn begin(&mut self, number: u64, books: &mut Books) -> Result<()>;

    /// Ends those that are open.
    fn finish(self: Box<Self>, books: &mut Books) -> Result<()>;
}

pub fn run(arguments: &Churn) -> Result<()> {
    let mut all: Vec<Box<dyn Contacts>> = Vec::new();
    for protocol in &arguments.protocols {
        if *protocol == Protocol::Udp {
            all.push(Box::new(Datagrams::open()?));
        } else if let Some(streams) = Streams::open(*protocol, arguments.silent)? {
            all.push(Box::new(streams));
        }
    }
    ensure!(!all.is_empty(), "no SCTP\nhint: modprobe sctp");
    let mut books = Books::default();
    let start = Instant::now();
    let length = Duration::from_secs(arguments.seconds);
    for number in 0_u64.. {
        let due = Duration::from_secs_f64(number as f64 / arguments.pace as f64);
        // One that is late has no time to make up for it.
        if due.max(start.elapsed()) >= length {
            break;
        }
        thread::sleep(due.saturating_sub(start.elapsed()));
        let protocols = all.len() as u64;
        let turn = (number % protocols) as usize;
        all[turn].begin(number / protocols, &mut books)?;
    }
    for contacts in all {
        contacts.finish(&mut books)?;
    }
    books.print();
    Ok(())
}
