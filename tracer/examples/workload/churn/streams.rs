//! The contacts of a churn over TCP or SCTP: kept for a while, refused, given up, ended in both ways.
//!
//! Sockets of SCTP are handled as std's TCP ones: the system calls are the same.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::books::{Books, Direction};
use super::{ANSWER, CLOSED, Contacts, KINDS, LAG, LIFE, Protocol, REQUEST, USE};
use crate::kernel::checked;
use crate::socket;
use crate::truth::failure;

/// Two contacts at a time wait here at most: the lasting one and the newest.
const BACKLOG: libc::c_int = 16;

pub struct Streams {
    protocol: Protocol,
    listener: TcpListener,
    to: SocketAddr,
    silent: Option<SocketAddr>,
    /// The oldest first.
    open: VecDeque<Open>,
    lasting: Option<(Instant, Pair)>,
}

enum Open {
    Established(Pair),
    /// Its handshake gets no answer.
    Beginning(OwnedFd),
}

/// Both ends of a contact.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// Whether it ends in order, or with a reset.
    orderly: bool,
}

impl Streams {
    /// None where the kernel does not have the protocol.
    pub fn open(protocol: Protocol, silent: Option<IpAddr>) -> Result<Option<Self>> {
        let Some(listener) = try_open(protocol)? else {
            return Ok(None);
        };
        socket::bind(&listener, (Ipv4Addr::LOCALHOST, 0).into())?;
        // SAFETY: no memory is involved.
        checked(unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) }).context("listen")?;
        let listener = TcpListener::from(listener);
        let to = listener.local_addr().context("the listener's address")?;
        Ok(Some(Self {
            protocol,
            listener,
            to,
            silent: silent.map(|address| (address, to.port()).into()),
            open: VecDeque::new(),
            lasting: None,
        }))
    }

    fn socket(&self) -> Result<OwnedFd> {
        try_open(self.protocol)?.context("the protocol is gone")
    }

    fn refused(&self, books: &mut Books) -> Result<()> {
        match socket::connect(&self.socket()?, CLOSED) {
            Err(error) => books
                .of(self.protocol, Direction::Out, CLOSED)
                .fail(&failure(&error)),
            Ok(()) => bail!("somebody listens on {CLOSED}"),
        }
        Ok(())
    }

    /// Its handshake is under way, until it is closed.
    fn give_up(&self, silent: SocketAddr, books: &mut Books) -> Result<OwnedFd> {
        let socket = TcpStream::from(self.socket()?);
        socket.set_nonblocking(true).context("set non-blocking")?;
        match socket::connect(&socket, silent) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            answer => bail!("{silent} does not drop: {answer:?}"),
        }
        books
            .of(self.protocol, Direction::Out, silent)
            .fail("cancelled");
        Ok(socket.into())
    }

    fn connect(&self, orderly: bool, books: &mut Books) -> Result<Pair> {
        let client = self.socket()?;
        socket::connect(&client, self.to).with_context(|| format!("connect to {}", self.to))?;
        let (server, _) = self.listener.accept().context("accept")?;
        for direction in [Direction::Out, Direction::In] {
            books.of(self.protocol, direction, self.to).establish();
        }
        let pair = Pair {
            client: client.into(),
            server,
            orderly,
        };
        self.exchange(&pair, books)?;
        Ok(pair)
    }

    fn exchange(&self, pair: &Pair, books: &mut Books) -> Result<()> {
        let ends = [(&pair.client, &pair.server), (&pair.server, &pair.client)];
        let passes: [(_, &[u8]); 2] = [(Direction::Out, &REQUEST), (Direction::In, &ANSWER)];
        for ((mut from, mut to), (direction, payload)) in ends.into_iter().zip(passes) {
            let mut taken = [0; ANSWER.len()];
            from.write_all(payload).context("send")?;
            to.read_exact(&mut taken[..payload.len()])
                .context("receive")?;
            books.pass(self.protocol, direction, self.to, payload.len());
        }
        Ok(())
    }

    fn use_lasting(&mut self, books: &mut Books) -> Result<()> {
        let pair = match self.lasting.take() {
            Some((since, pair)) if since.elapsed() >= LIFE => return pair.end(),
            None => (Instant::now(), self.connect(true, books)?),
            Some(pair) => pair,
        };
        self.exchange(&pair.1, books)?;
        self.lasting = Some(pair);
        Ok(())
    }
}

impl Contacts for Streams {
    fn begin(&mut self, number: u64, books: &mut Books) -> Result<()> {
        if number.is_multiple_of(USE) {
            self.use_lasting(books)?;
        }
        match (number % KINDS, self.silent) {
            (0, _) => self.refused(books)?,
            (1, Some(silent)) => {
                let socket = self.give_up(silent, books)?;
                self.open.push_back(Open::Beginning(socket));
            }
            // Few end in order: that keeps the port for a minute.
            (kind, _) => {
                let pair = self.connect(kind == 2, books)?;
                self.open.push_back(Open::Established(pair));
            }
        }
        if self.open.len() > LAG
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.end()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Books) -> Result<()> {
        self.open.into_iter().try_for_each(Open::end)?;
        self.lasting.map_or(Ok(()), |(_, pair)| pair.end())
    }
}

impl Open {
    fn end(self) -> Result<()> {
        match self {
            Self::Established(pair) => pair.end(),
            Self::Beginning(socket) => {
                drop(socket);
                Ok(())
            }
        }
    }
}

impl Pair {
    fn end(mut self) -> Result<()> {
        if self.orderly {
            self.client.shutdown(Shutdown::Write).context("shutdown")?;
            let more = self.server.read(&mut [0]).context("wait for the end")?;
            ensure!(more == 0, "the client sent more");
            drop(self.server);
            // An association is over by now, and this says so; a connection waits for the server's end.
            let _ = self.client.read(&mut [0]);
        } else {
            socket::reset_on_close(&self.client)?;
        }
        Ok(())
    }
}

fn try_open(protocol: Protocol) -> Result<Option<OwnedFd>> {
    let number = match protocol {
        Protocol::Sctp => libc::IPPROTO_SCTP,
        _ => libc::IPPROTO_TCP,
    };
    match socket::open_as(libc::AF_INET, libc::SOCK_STREAM, number) {
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT)
            ) =>
        {
            Ok(None)
        }
        opened => opened.map(Some).context("socket"),
    }
}
