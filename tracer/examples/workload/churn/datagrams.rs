//! The contacts of a churn over UDP: answered at once, later or never, refused, closed at once or later.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::books::{Books, Direction};
use super::server::{Server, unbound};
use super::{CLOSED, Contacts, KINDS, LAG, LIFE, Protocol, REQUEST, USE};

pub struct Datagrams {
    server: Server,
    /// It never answers, at a place of its own: where others are answered, nobody is left to fail.
    mute: Server,
    /// The oldest first.
    open: VecDeque<Open>,
    lasting: Option<(Instant, UdpSocket)>,
}

struct Open {
    client: UdpSocket,
    answer: Answer,
}

/// What becomes of a contact before its socket is closed.
enum Answer {
    /// It has one.
    Given,
    /// It gets one last of all. The server knows the client by this address.
    Due(SocketAddr),
    Never,
}

impl Datagrams {
    pub fn open() -> Result<Self> {
        let open = || Server::open((Ipv4Addr::LOCALHOST, 0).into());
        Ok(Self {
            server: open()?,
            mute: open()?,
            open: VecDeque::new(),
            lasting: None,
        })
    }

    /// A contact that gets its answer at once.
    fn exchange(&mut self, books: &mut Books) -> Result<UdpSocket> {
        let (client, from) = begin(&mut self.server, books)?;
        self.establish(&client, from, books)?;
        Ok(client)
    }

    /// Its first answer.
    fn establish(&mut self, client: &UdpSocket, from: SocketAddr, books: &mut Books) -> Result<()> {
        self.server.answer(client, from, books)?;
        let place = self.server.address;
        books.of(Protocol::Udp, Direction::Out, place).established += 1;
        Ok(())
    }

    fn keep(&mut self, client: UdpSocket, answer: Answer) {
        self.open.push_back(Open { client, answer });
    }

    fn end(&mut self, open: &Open, books: &mut Books) -> Result<()> {
        match open.answer {
            Answer::Given => {}
            Answer::Due(from) => self.establish(&open.client, from, books)?,
            Answer::Never => books
                .of(Protocol::Udp, Direction::Out, self.mute.address)
                .note("cancelled", 1),
        }
        Ok(())
    }

    fn end_all(&mut self, books: &mut Books) -> Result<()> {
        while let Some(oldest) = self.open.pop_front() {
            self.end(&oldest, books)?;
        }
        Ok(())
    }

    fn use_lasting(&mut self, books: &mut Books) -> Result<()> {
        let (since, client) = match self.lasting.take() {
            // It is closed; the next turn begins another.
            Some((since, _)) if since.elapsed() >= LIFE => return Ok(()),
            Some(lasting) => lasting,
            None => (Instant::now(), self.exchange(books)?),
        };
        let from = self.server.take(&client, books)?;
        self.server.answer(&client, from, books)?;
        self.lasting = Some((since, client));
        Ok(())
    }

    /// Gives the servers other sockets when theirs are old.
    fn renew(&mut self, books: &mut Books) -> Result<()> {
        if self.server.is_old() {
            self.end_all(books)?;
            self.server.renew(books)?;
            self.mute.renew(books)?;
        }
        Ok(())
    }
}

impl Contacts for Datagrams {
    fn begin(&mut self, number: u64, books: &mut Books) -> Result<()> {
        self.renew(books)?;
        if number.is_multiple_of(USE) {
            self.use_lasting(books)?;
        }
        match number % KINDS {
            0 => refused(books)?,
            1 => {
                let (client, _) = begin(&mut self.mute, books)?;
                self.keep(client, Answer::Never);
            }
            // Closed at once.
            2 | 3 => drop(self.exchange(books)?),
            4 | 5 => {
                let client = self.exchange(books)?;
                self.keep(client, Answer::Given);
            }
            _ => {
                let (client, from) = begin(&mut self.server, books)?;
                self.keep(client, Answer::Due(from));
            }
        }
        if self.open.len() > LAG
            && let Some(oldest) = self.open.pop_front()
        {
            self.end(&oldest, books)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, books: &mut Books) -> Result<()> {
        self.end_all(books)?;
        self.server.close(books);
        self.mute.close(books);
        Ok(())
    }
}

/// A new socket, and its first datagram, which binds it. Returns as whom the server knows it.
fn begin(server: &mut Server, books: &mut Books) -> Result<(UdpSocket, SocketAddr)> {
    let client = unbound()?;
    let from = server.take(&client, books)?;
    books
        .of(Protocol::Udp, Direction::Out, server.address)
        .begin();
    Ok((client, from))
}

fn refused(books: &mut Books) -> Result<()> {
    let client = unbound()?;
    client.connect(CLOSED).context("connect")?;
    let sent = client.send(&REQUEST).context("send")?;
    match client.recv(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        answer => bail!("{CLOSED} does not refuse: {answer:?}"),
    }
    let truth = books.of(Protocol::Udp, Direction::Out, CLOSED);
    truth.fail("refused");
    truth.sent += sent as u64;
    Ok(())
}
