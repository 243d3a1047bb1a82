//! `named`: contacts that say by which name they go, or that ask for one first; and `serve-names`, who answers.

#[path = "../../../src/name/hello/made.rs"]
mod hello;
#[expect(dead_code, reason = "tests take more of it")]
#[path = "../../../src/name/dns/made.rs"]
mod message;
#[path = "../../../src/name/quic/made.rs"]
mod quic;
mod server;

use std::io::{IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;

use crate::{kernel, socket};

pub use server::{ServeNames, serve};

#[derive(Args)]
pub struct Named {
    /// What to do, one after the other: KIND[,OPTION=VALUE]…. `lookup`: ask for `name` at `to`, over TCP with `over=tcp`. `tls`, `quic`:
    /// a handshake with `to` that says `name`, or none. `plain`: a contact with `to` that says nothing.
    pub plays: Vec<Play>,
    /// Wait for a line on the standard input before each but the first
    #[arg(long)]
    pub step: bool,
    /// Do all of it so many times
    #[arg(long, default_value_t = 1)]
    pub times: u32,
    /// Keep the connections of handshakes open until the standard input closes
    #[arg(long, conflicts_with = "step")]
    pub hold: bool,
    /// What follows a handshake, and stands in what says nothing
    #[arg(long, default_value = "no handshake")]
    pub payload: String,
}

/// One of them.
#[derive(Clone)]
pub struct Play {
    kind: String,
    options: Vec<(String, String)>,
}

impl FromStr for Play {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(',');
        let kind = parts.next().unwrap_or_default().to_owned();
        let options = parts.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.to_owned(), value.to_owned())
        });
        Ok(Self {
            kind,
            options: options.collect(),
        })
    }
}

impl Play {
    fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, usual: usize) -> Result<usize> {
        let text = self.option(name);
        text.map_or(Ok(usual), |text| {
            text.parse().with_context(|| format!("{name}={text}"))
        })
    }

    fn to(&self) -> Result<SocketAddr> {
        let text = self.option("to").context("to whom?")?;
        text.parse().with_context(|| format!("to={text}"))
    }

    fn hello(&self) -> Result<Vec<u8>> {
        let made = hello::Made {
            name: self.option("name").map(|name| name.as_bytes().to_vec()),
            ech: self.option("ech").is_some(),
            padding: self.number("padding", 0)?,
            alpn: vec![b"h2".to_vec()],
            ..hello::Made::default()
        };
        Ok(made.message())
    }
}

const PATIENCE: u64 = 20;

pub fn run(arguments: &Named) -> Result<()> {
    let mut held = Vec::new();
    let all = (0..arguments.times).flat_map(|_| &arguments.plays);
    for (at, play) in all.enumerate() {
        if arguments.step && at > 0 {
            let mut line = String::new();
            io::stdin()
                .read_line(&mut line)
                .context("wait for a line")?;
        }
        let payload = arguments.payload.as_bytes();
        let stream = one(play, payload).with_context(|| format!("{} of {at}", play.kind))?;
        match stream {
            Some(stream) if arguments.hold => held.push(stream),
            Some(stream) if play.option("from").is_some() => reset(&stream)?,
            Some(stream) => finish(stream)?,
            None => {}
        }
        if arguments.step {
            say("done");
        }
    }
    if arguments.hold {
        say("holding");
        io::copy(&mut io::stdin(), &mut io::sink()).context("wait for the end")?;
        for stream in held {
            finish(stream)?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "whoever waits is told")]
fn say(word: &str) {
    println!("{word}");
}

/// Returns the connection, where there is one.
fn one(play: &Play, payload: &[u8]) -> Result<Option<TcpStream>> {
    match play.kind.as_str() {
        "lookup" => look_up(play).map(|()| None),
        "tls" => shake_hands(play, payload).map(Some),
        "quic" => begin_quic(play).map(|()| None),
        "plain" => {
            let mut stream = connect(play)?;
            stream.write_all(payload).context("send")?;
            Ok(Some(stream))
        }
        other => bail!("nobody knows how to play {other}"),
    }
}

/// What a client of TLS says first who goes to that name, as it stands in the stream.
pub fn hello_to(name: &str) -> Vec<u8> {
    hello::records(&hello::Made::to(name).message(), 16_384)
}

fn connect(play: &Play) -> Result<TcpStream> {
    let stream = match play.number("from", 0)? {
        0 => TcpStream::connect_timeout(&play.to()?, kernel::patience(PATIENCE))
            .context("connect")?,
        port => connect_from(port as u16, play.to()?)?,
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(kernel::patience(PATIENCE)))?;
    Ok(stream)
}

/// From a port that is free again as soon as the connection is closed, which it is by a reset.
fn connect_from(port: u16, to: SocketAddr) -> Result<TcpStream> {
    let socket = socket::open(to).context("socket")?;
    socket::bind(&socket, (Ipv4Addr::UNSPECIFIED, port).into())?;
    socket::reset_on_close(&socket)?;
    socket::connect(&socket, to).context("connect")?;
    Ok(socket.into())
}

/// Whoever is contacted reads to the end.
fn finish(mut stream: TcpStream) -> Result<()> {
    stream.shutdown(std::net::Shutdown::Write).context("end")?;
    let mut rest = Vec::new();
    // A server that has nothing to say may reset.
    let _ = stream.read_to_end(&mut rest);
    Ok(())
}

/// The other side has all that was sent, and then no connection.
fn reset(stream: &TcpStream) -> Result<()> {
    let deadline = Instant::now() + kernel::patience(PATIENCE);
    while kernel::unacknowledged(stream)? > 0 {
        ensure!(Instant::now() < deadline, "it is not acknowledged");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn shake_hands(play: &Play, payload: &[u8]) -> Result<TcpStream> {
    let mut stream = connect(play)?;
    let before = play.number("after", 0)?;
    if before > 0 {
        stream.write_all(&vec![b'S'; before]).context("send")?;
        // A segment of its own.
        thread::sleep(Duration::from_millis(20));
    }
    let record = play.number("records", 16_384)?;
    let hello = hello::records(&play.hello()?, record);
    let pieces = play.number("pieces", 1)?;
    if play.option("vectors").is_some() {
        let (one, two) = hello.split_at(hello.len() / 3);
        let sent = stream.write_vectored(&[IoSlice::new(one), IoSlice::new(two)])?;
        ensure!(sent == hello.len(), "{sent} bytes were taken");
        return Ok(stream);
    }
    for piece in hello.chunks(hello.len().div_ceil(pieces)) {
        stream.write_all(piece).context("send")?;
    }
    // What follows a hello is nobody's business.
    stream.write_all(payload).context("send")?;
    let behind = play.number("behind", 0)?;
    stream.write_all(&vec![b'B'; behind]).context("send")?;
    Ok(stream)
}

fn begin_quic(play: &Play) -> Result<()> {
    let to = play.to()?;
    let socket = udp(to)?;
    let hello = play.hello()?;
    let id = [7; 8];
    let pieces = play.number("pieces", 1)?;
    let size = hello.len().div_ceil(pieces);
    let mut parts: Vec<_> = hello.chunks(size).enumerate().collect();
    if play.option("reversed").is_some() {
        parts.reverse();
    }
    for (number, (at, part)) in parts.into_iter().enumerate() {
        let initial = quic::Initial {
            is_two: play.option("v2").is_some(),
            number: number as u32,
            ..quic::Initial::to(&id)
        };
        let frames = quic::padded(quic::crypto(at * size, part));
        socket
            .send_to(&initial.packet(&frames), to)
            .context("send")?;
    }
    Ok(())
}

fn udp(to: SocketAddr) -> Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0_u16; 8].into()
    };
    let socket = UdpSocket::bind((any, 0)).context("a socket")?;
    socket.set_read_timeout(Some(kernel::patience(PATIENCE)))?;
    Ok(socket)
}

fn look_up(play: &Play) -> Result<()> {
    let name = play.option("name").context("which name?")?;
    let query = message::Made::query(4711, name, message::A).bytes();
    let mut answer = vec![0; 4_096];
    if play.option("over") == Some("tcp") {
        let mut stream = connect(play)?;
        stream.write_all(&counted(&query)).context("ask")?;
        let mut length = [0; 2];
        stream.read_exact(&mut length).context("an answer")?;
        let length = usize::from(u16::from_be_bytes(length));
        stream.read_exact(answer.get_mut(..length).context("a long answer")?)?;
        return Ok(());
    }
    let to = play.to()?;
    let socket = udp(to)?;
    if play.option("connected").is_some() {
        socket.connect(to)?;
        socket.send(&query).context("ask")?;
    } else {
        socket.send_to(&query, to).context("ask")?;
    }
    let length = socket.recv(&mut answer).context("an answer")?;
    ensure!(length > 12 && answer[..2] == query[..2], "another answer");
    Ok(())
}

/// A message of DNS as it passes over TCP.
fn counted(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// The name that a query asks for.
fn asked(query: &[u8]) -> Result<String> {
    let mut rest = query.get(12..).ok_or_else(|| anyhow!("a short query"))?;
    let mut labels = Vec::new();
    while let Some((&length, behind)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let label = behind.get(..length.into()).context("a cut name")?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = &behind[length.into()..];
    }
    Ok(labels.join("."))
}
