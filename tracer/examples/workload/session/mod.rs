//! One connection from this side: it counts what the program itself handed over and took.

mod attempt;
mod calls;
mod closing;
mod exchange;
mod fastopen;
mod uring;
mod zerocopy;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::arguments::Mode;
use crate::header::{self, Behaviour, Header};
use crate::truth::Truth;
use crate::{kernel, socket};

pub use attempt::{attempt, attempt_from};
pub use uring::Ring;

/// What is sent, over and over: the tracer counts bytes, whatever they are.
pub static PAYLOAD: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// How often a socket is asked whether its data has arrived.
pub const STEP: Duration = Duration::from_millis(1);
/// What has not arrived by now never will. An emulated machine with one loop serving all can take ten seconds.
pub const PATIENCE: u64 = 60;

/// What each connection of one run does.
#[derive(Clone, Copy)]
pub struct Plan {
    /// As the socket gets it, v4-mapped if that is asked for.
    pub to: SocketAddr,
    pub mode: Mode,
    pub bytes_out: u64,
    pub bytes_in: u64,
    pub verify: bool,
}

impl Plan {
    pub fn run(&self, truth: &mut Truth) -> Result<()> {
        match self.mode {
            Mode::Plain | Mode::Refused | Mode::Unreachable => attempt::plain(self, truth),
            Mode::Reset => attempt::reset(self, truth),
            Mode::TimedOut => attempt::timed_out(self, truth),
            Mode::Cancelled => attempt::cancelled(self, truth),
            Mode::Echo => exchange::echo(self, truth),
            Mode::Duplex => exchange::duplex(self, truth),
            Mode::Drip => exchange::drip(self, truth),
            Mode::Upload => exchange::upload(self, truth),
            Mode::Download => exchange::download(self, truth),
            Mode::HalfClose => exchange::half_close(self, truth),
            Mode::HalfCloseServer => exchange::half_close_server(self, truth),
            Mode::Sendfile => calls::sendfile(self, truth),
            Mode::Splice => calls::splice(self, truth),
            Mode::Writev => calls::writev(self, truth),
            Mode::Zerocopy => zerocopy::zerocopy(self, truth),
            Mode::IoUring => uring::io_uring(self, false, truth),
            Mode::IoUringWorker => uring::io_uring(self, true, truth),
            Mode::EarlyClose => closing::early_close(self, truth),
            Mode::ServerReset => closing::server_reset(self, truth),
            Mode::Unsent => closing::unsent(self, truth),
            Mode::FastOpen => fastopen::fast_open(self, truth),
            Mode::LingerData => closing::linger_data(self, truth),
        }
    }
}

pub struct Session {
    pub stream: TcpStream,
    pub sent: u64,
    pub received: u64,
    /// The server's FIN was seen; the kernel counts it as a received byte.
    ended: bool,
    verify: bool,
}

impl Session {
    /// Connects and sends the header. None when the connect failed, which the truth then has.
    pub fn open(plan: &Plan, header: Header, truth: &mut Truth) -> Result<Option<Self>> {
        let Some(stream) = attempt(plan.to, truth)? else {
            return Ok(None);
        };
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        let mut session = Self::of(stream, plan.verify);
        session
            .stream
            .write_all(&header.encode())
            .context("send the header")?;
        session.sent = header::LENGTH as u64;
        Ok(Some(session))
    }

    pub fn of(stream: TcpStream, verify: bool) -> Self {
        Self {
            stream,
            sent: 0,
            received: 0,
            ended: false,
            verify,
        }
    }

    pub fn send(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            let now = bytes.min(PAYLOAD.len() as u64);
            self.stream
                .write_all(&PAYLOAD[..now as usize])
                .context("send")?;
            self.sent += now;
            bytes -= now;
        }
        Ok(())
    }

    pub fn receive(&mut self, mut bytes: u64) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        while bytes > 0 {
            let room = bytes.min(buffer.len() as u64) as usize;
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) => bail!("the server ended with {bytes} bytes still to come"),
                Ok(now) => {
                    self.received += now as u64;
                    bytes -= now as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("receive"),
            }
        }
        Ok(())
    }

    /// The server's FIN, and nothing before it.
    pub fn receive_end(&mut self) -> Result<()> {
        let more = self
            .stream
            .read(&mut [0])
            .context("receive the server's end")?;
        ensure!(more == 0, "the server sent more than it was asked for");
        self.ended = true;
        Ok(())
    }

    pub fn end_sending(&self) -> Result<()> {
        self.stream.shutdown(Shutdown::Write).context("shutdown")
    }

    /// Waits until all that was sent has arrived at the server.
    pub fn settle(&self) -> Result<()> {
        let deadline = Instant::now() + kernel::patience(PATIENCE);
        while kernel::unacknowledged(&self.stream)? > 0 {
            ensure!(Instant::now() < deadline, "the server does not acknowledge");
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// Compares the truth with the kernel's counters, if asked to. Not for a socket with data on its way.
    pub fn check(&self) -> Result<()> {
        if !self.verify {
            return Ok(());
        }
        let counters = kernel::counters(&self.stream)?;
        let received = counters.received - u64::from(self.ended);
        ensure!(
            (self.sent, self.received) == (counters.sent, received),
            "sent {} and received {}, but the kernel says {} and {received}",
            self.sent,
            self.received,
            counters.sent,
        );
        Ok(())
    }

    /// Closes in whichever way the socket is set to.
    pub fn close(self, truth: &mut Truth) -> Result<()> {
        self.check()?;
        self.close_at_once(truth);
        Ok(())
    }

    pub fn close_at_once(self, truth: &mut Truth) {
        truth.sent += self.sent;
        truth.received += self.received;
    }

    pub fn reset(self, truth: &mut Truth) -> Result<()> {
        socket::reset_on_close(&self.stream)?;
        self.close(truth)
    }
}

/// The usual request.
pub fn answer(upload: u64, download: u64) -> Header {
    Header {
        behaviour: Behaviour::Answer,
        upload,
        download,
    }
}
