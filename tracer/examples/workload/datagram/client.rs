//! `datagrams`: the same contact from many sockets, in one thread or in several.

use std::io::stdin;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::thread;

use anyhow::{Context, Result, ensure};

use super::arguments::{Datagrams, Mode};
use super::{batch, cork, exchange, failing, offload, unread, uring};
use crate::connect::share;
use crate::socket::{self, Encoded};
use crate::truth::Truth;
use crate::{kernel, message};

/// On loopback an answer takes microseconds: what is not here by then was lost, and the truth with it.
const PATIENCE: u64 = 10;
/// Room for a window of the largest answers, many times over.
const ROOM: libc::c_int = 8 << 20;

/// What each socket of one run does.
#[derive(Clone, Copy)]
pub struct Plan {
    /// As the socket gets it, v4-mapped if that is asked for.
    pub to: SocketAddr,
    pub mode: Mode,
    pub times: u64,
    pub bytes: u64,
    pub through: Option<Ipv4Addr>,
    pub send_buffer: Option<libc::c_int>,
}

/// One socket and its contact with the one destination.
pub struct Client {
    pub socket: OwnedFd,
    pub to: Encoded,
    /// Datagrams that left.
    pub datagrams: u64,
    pub answers: u64,
    pub sent: u64,
    pub received: u64,
}

pub fn run(arguments: &Datagrams, deadline: u32) -> Result<()> {
    let plan = Plan {
        to: if arguments.v4_mapped {
            socket::v4_mapped(arguments.to)
        } else {
            arguments.to
        },
        mode: arguments.mode,
        times: arguments.times,
        bytes: arguments.bytes,
        through: arguments.through,
        send_buffer: arguments.send_buffer,
    };
    ensure!(
        arguments.mode != Mode::Fork || arguments.threads == 1,
        "--mode fork has no threads"
    );
    if arguments.rounds {
        return run_rounds(&plan, arguments, deadline);
    }
    let truth = thread::scope(|scope| {
        let (mut running, threads) = (Vec::new(), arguments.threads);
        // The first share is done by the first thread of the process: without --threads there is no other.
        for index in 1..threads {
            let thread = thread::Builder::new().name(format!("thread-{index}"));
            let sockets = share(arguments.sockets, index, threads);
            let work = move || repeat(&plan, sockets, deadline);
            running.push(thread.spawn_scoped(scope, work).context("start a thread")?);
        }
        let mut truth = repeat(&plan, share(arguments.sockets, 0, threads), deadline)?;
        for thread in running {
            truth.add(&thread.join().expect("a contact does not panic")?);
        }
        anyhow::Ok(truth)
    })?;
    truth.print(arguments.to);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a test waits for this word")]
fn run_rounds(plan: &Plan, arguments: &Datagrams, deadline: u32) -> Result<()> {
    let mut clients = (0..arguments.sockets)
        .map(|_| Client::open(plan))
        .collect::<Result<Vec<_>>>()?;
    println!("ready");
    for line in stdin().lines() {
        line.context("read stdin")?;
        let mut truth = Truth::default();
        for (index, client) in (0..).zip(&mut clients) {
            client.act(plan, index, deadline, &mut truth)?;
            client.tell(&mut truth);
        }
        truth.print(arguments.to);
    }
    Ok(())
}

fn repeat(plan: &Plan, sockets: u64, deadline: u32) -> Result<Truth> {
    let mut truth = Truth::default();
    for index in 0..sockets {
        let mut client = Client::open(plan)?;
        client.act(plan, index, deadline, &mut truth)?;
        client.tell(&mut truth);
    }
    Ok(truth)
}

impl Client {
    pub fn open(plan: &Plan) -> Result<Self> {
        let to = plan.to;
        let socket = socket::open_as(socket::family(to.ip()), libc::SOCK_DGRAM, 0)?;
        if let Some(hop) = plan.through {
            socket::route_through(&socket, hop)?;
        }
        if let Some(bytes) = plan.send_buffer {
            socket::set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, &bytes)?;
        }
        message::make_room(&socket, ROOM)?;
        message::give_up_after(&socket, kernel::patience(PATIENCE))?;
        Ok(Self {
            socket,
            to: socket::encode(to),
            datagrams: 0,
            answers: 0,
            sent: 0,
            received: 0,
        })
    }

    fn act(&mut self, plan: &Plan, index: u64, deadline: u32, truth: &mut Truth) -> Result<()> {
        match plan.mode {
            Mode::SendTo => exchange::send_to(self, plan.times, plan.bytes),
            Mode::Zero => exchange::send_to(self, plan.times, 0),
            Mode::Connected => exchange::connected(self, plan),
            Mode::SilentConnect => self.connect(plan.to),
            Mode::Echo
            | Mode::EchoConnected
            | Mode::EchoNoAddress
            | Mode::EchoWrite
            | Mode::Peek
            | Mode::Truncated => exchange::echo(self, plan),
            Mode::Sendmmsg => batch::sendmmsg(self, plan),
            Mode::Recvmmsg => batch::recvmmsg(self, plan),
            Mode::Segment => offload::segment(self, plan),
            Mode::Gro => offload::gro(self, plan),
            Mode::Corked => cork::corked(self, plan),
            Mode::IoUring => uring::io_uring(self, plan, index % 2 == 1, false),
            Mode::IoUringWorker => uring::io_uring(self, plan, index % 2 == 1, true),
            Mode::Refused => failing::refused(self, plan, truth, failing::send_again),
            Mode::RefusedAsked => failing::refused(self, plan, truth, failing::ask),
            Mode::Unsent => failing::unsent(self, plan, truth),
            Mode::Fork => failing::fork(self, plan, deadline),
            Mode::ReadNothing => unread::read_nothing(self, plan),
        }
    }

    pub fn connect(&self, to: SocketAddr) -> Result<()> {
        socket::connect(&self.socket, to).with_context(|| format!("connect to {to}"))
    }

    pub fn sent(&mut self, datagrams: u64, bytes: u64) {
        self.datagrams += datagrams;
        self.sent += bytes;
    }

    pub fn took(&mut self, answers: u64, bytes: u64) {
        self.answers += answers;
        self.received += bytes;
    }

    /// Nothing may be left: it would have arrived without being in the truth.
    pub fn check_empty(&self) -> Result<()> {
        let unread = kernel::unread(&self.socket)?;
        ensure!(unread == 0, "{unread} bytes more have come than asked for");
        Ok(())
    }

    /// Adds what was done since it was told last.
    fn tell(&mut self, truth: &mut Truth) {
        if mem::take(&mut self.datagrams) > 0 {
            truth.begin();
        }
        if mem::take(&mut self.answers) > 0 {
            truth.established += 1;
        }
        truth.sent += mem::take(&mut self.sent);
        truth.received += mem::take(&mut self.received);
    }
}
