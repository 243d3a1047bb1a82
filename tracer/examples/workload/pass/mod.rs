//! `pass`: one program opens the socket, another one sends on it.

mod descriptor;

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io, process};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::kernel::{self, checked};
use crate::session::{Session, answer};
use crate::truth::Truth;
use crate::{datagram, header, message, socket};

#[derive(Args)]
pub struct Pass {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long)]
    pub protocol: Protocol,
    /// A copy of this program to hand the sockets to
    #[arg(long = "as")]
    pub program: PathBuf,
    /// Sockets, one after the other, each to a program of its own
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Payload bytes each way; for TCP without the header
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub bytes: u64,
    /// File of a network namespace that the other program lives in; the sockets stay in this one's
    #[arg(long)]
    pub namespace: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Connected here, to `serve`
    Tcp,
    /// Opened here; the other program connects it, to `serve`
    TcpUnconnected,
    /// Bound here; the other program sends the first datagram, to `serve-datagrams`
    Udp,
    /// Connected here, which sends nothing; the other program sends the first datagram
    UdpConnected,
}

#[derive(Args)]
pub struct TakePassed {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long)]
    pub protocol: Protocol,
    #[arg(long)]
    pub bytes: u64,
}

const PATIENCE: u64 = 10;

/// The other program's lines come first.
pub fn run(arguments: &Pass, deadline: u32) -> Result<()> {
    let mut truth = Truth::default();
    let name = protocol_name(arguments.protocol);
    for _ in 0..arguments.times {
        let opened = open(arguments, &mut truth)?;
        let (here, there) = UnixStream::pair().context("socketpair")?;
        descriptor::send(&here, opened.as_fd())?;
        // From here on the other program has the only descriptor of it.
        drop(opened);
        let mut command = Command::new(&arguments.program);
        if let Some(file) = &arguments.namespace {
            enter_in_child(&mut command, file)?;
        }
        let status = command
            .args(["--deadline", &deadline.to_string(), "take-passed"])
            .args(["--protocol", &name, "--to", &arguments.to.to_string()])
            .args(["--bytes", &arguments.bytes.to_string()])
            .stdin(OwnedFd::from(there))
            .status()
            .with_context(|| format!("start {}", arguments.program.display()))?;
        ensure!(status.success(), "the other program ended with {status}");
    }
    tell(&truth, arguments.to, "opened", &name)
}

fn enter_in_child(command: &mut Command, file: &Path) -> Result<()> {
    let file = File::open(file).with_context(|| format!("open {}", file.display()))?;
    // SAFETY: setns is a plain system call, which a forked child may make.
    unsafe {
        command.pre_exec(move || {
            checked(libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET))?;
            Ok(())
        });
    }
    Ok(())
}

fn open(arguments: &Pass, truth: &mut Truth) -> Result<OwnedFd> {
    let family = socket::family(arguments.to.ip());
    if let Protocol::Tcp | Protocol::TcpUnconnected = arguments.protocol {
        let opened = socket::open(arguments.to).context("socket")?;
        if arguments.protocol == Protocol::Tcp {
            socket::connect(&opened, arguments.to).context("connect")?;
            truth.establish();
        }
        return Ok(opened);
    }
    let opened = socket::open_as(family, libc::SOCK_DGRAM, 0).context("socket")?;
    if arguments.protocol == Protocol::UdpConnected {
        socket::connect(&opened, arguments.to).context("connect")?;
    } else {
        let any: SocketAddr = if arguments.to.is_ipv4() {
            ([0; 4], 0).into()
        } else {
            ([0u16; 8], 0).into()
        };
        socket::bind(&opened, any)?;
    }
    Ok(opened)
}

/// As the other program, with the socket on its way over stdin.
pub fn take(arguments: &TakePassed) -> Result<()> {
    let taken = descriptor::take(&io::stdin())?;
    let mut truth = Truth::default();
    if let Protocol::Tcp | Protocol::TcpUnconnected = arguments.protocol {
        // Else contact and handshake are the first program's.
        if arguments.protocol == Protocol::TcpUnconnected {
            socket::connect(&taken, arguments.to).context("connect")?;
            truth.establish();
        }
        let mut session = Session::of(TcpStream::from(taken), false);
        let header = answer(arguments.bytes, arguments.bytes).encode();
        let sent = message::send(&session.stream, &header, None, 0).context("send the header")?;
        ensure!(sent == header::LENGTH as u64, "half a header left");
        session.sent = sent;
        session.send(arguments.bytes)?;
        session.receive(arguments.bytes)?;
        session.close(&mut truth)?;
    } else {
        let payload = datagram::payload(datagram::ECHO, arguments.bytes);
        let to = socket::encode(arguments.to);
        let to = (arguments.protocol == Protocol::Udp).then_some(&to);
        truth.sent = message::send(&taken, &payload, to, 0).context("send")?;
        truth.begin();
        message::give_up_after(&taken, kernel::patience(PATIENCE))?;
        let mut buffer = vec![0; 1 << 16];
        truth.received = message::receive(&taken, &mut buffer, 0).context("receive")?;
        truth.established = 1;
    }
    let name = protocol_name(arguments.protocol);
    tell(&truth, arguments.to, "used", &name)
}

fn protocol_name(protocol: Protocol) -> String {
    let value = protocol.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn tell(truth: &Truth, to: SocketAddr, did: &str, protocol: &str) -> Result<()> {
    let program = fs::read_link("/proc/self/exe").context("find this program")?;
    truth.print_with(
        to,
        json!({
            "did": did,
            "process": process::id(),
            "program": program,
            "protocol": protocol,
        }),
    );
    Ok(())
}
