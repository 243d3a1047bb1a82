//! The other end of a churn's contacts over UDP: takes each datagram, answers when it is told to.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use anyhow::{Context, Result};

use super::books::{Books, Direction};
use super::{ANSWER, LIFE, Protocol, REQUEST};
use crate::socket;

pub struct Server {
    pub address: SocketAddr,
    socket: UdpSocket,
    /// Since when it has this socket.
    since: Instant,
    /// Who has contacted the socket, and whether it was answered. A port that the kernel gives out again is the same remote,
    /// and the same contact.
    remotes: HashMap<SocketAddr, bool>,
}

impl Server {
    pub fn open(address: SocketAddr) -> Result<Self> {
        // It shares its address only when it has one: of ports that may be shared the kernel gives out the same one again.
        let socket = unbound()?;
        socket::bind(&socket, address)?;
        share(&socket)?;
        Ok(Self {
            address: socket.local_addr().context("the server's address")?,
            socket,
            since: Instant::now(),
            remotes: HashMap::new(),
        })
    }

    /// Sends one datagram from the client, and takes it. Returns from whom it is.
    pub fn take(&mut self, client: &UdpSocket, books: &mut Books) -> Result<SocketAddr> {
        client.send_to(&REQUEST, self.address).context("send")?;
        let mut taken = [0; REQUEST.len()];
        let (bytes, from) = self.socket.recv_from(&mut taken).context("take")?;
        books.pass(Protocol::Udp, Direction::Out, self.address, bytes);
        self.remotes.entry(from).or_insert(false);
        Ok(from)
    }

    /// Answers with one datagram, which the client takes.
    pub fn answer(&mut self, client: &UdpSocket, to: SocketAddr, books: &mut Books) -> Result<()> {
        self.socket.send_to(&ANSWER, to).context("answer")?;
        let mut taken = [0; ANSWER.len()];
        let bytes = client.recv(&mut taken).context("take the answer")?;
        books.pass(Protocol::Udp, Direction::In, self.address, bytes);
        self.remotes.insert(to, true);
        Ok(())
    }

    pub fn is_old(&self) -> bool {
        self.since.elapsed() >= LIFE
    }

    /// Takes another socket at the same address: what the old one was contacted by is over.
    pub fn renew(&mut self, books: &mut Books) -> Result<()> {
        self.close(books);
        // There before the old one goes, so that nobody else gets the port.
        self.socket = bound(self.address)?;
        self.since = Instant::now();
        Ok(())
    }

    /// Notes what the socket has seen. Who has no answer by then gets none.
    pub fn close(&mut self, books: &mut Books) {
        let (mut connections, mut established) = (0, 0);
        for (_, is_answered) in self.remotes.drain() {
            connections += 1;
            established += u64::from(is_answered);
        }
        let truth = books.of(Protocol::Udp, Direction::In, self.address);
        truth.connections += connections;
        truth.established += established;
        truth.note("cancelled", connections - established);
    }
}

/// A socket that shares its address with others that allow it too.
fn bound(address: SocketAddr) -> Result<UdpSocket> {
    let server = unbound()?;
    share(&server)?;
    socket::bind(&server, address)?;
    Ok(server)
}

fn share(server: &UdpSocket) -> Result<()> {
    let on: libc::c_int = 1;
    socket::set(server, libc::SOL_SOCKET, libc::SO_REUSEADDR, &on)
}

/// A socket whose address the kernel chooses when it is first used.
pub fn unbound() -> Result<UdpSocket> {
    let socket = socket::open_as(libc::AF_INET, libc::SOCK_DGRAM, 0).context("socket")?;
    Ok(socket.into())
}
