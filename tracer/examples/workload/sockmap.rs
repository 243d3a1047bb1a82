//! `sockmap`: a connection of a program with itself, whose payload goes from socket to socket, and past TCP.

use std::io::{self, Read, Write, stdin};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bpf;
use crate::kernel::{allow_locked_memory, counters};
use crate::truth::Truth;

#[derive(Args)]
pub struct Sockmap {
    /// Where to listen and to connect to
    #[arg(long)]
    pub at: SocketAddr,
    /// Bytes that go past TCP
    #[arg(long, default_value_t = 1000)]
    pub bytes: u64,
}

// include/uapi/linux/bpf.h: commands, types, helpers, flags.
const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE: libc::c_long = 2;
const SOCKMAP: u32 = 15;
const SK_MSG: u32 = 16;
const SK_MSG_VERDICT: u32 = 7;
const REDIRECT: u64 = 60;
const INGRESS: u64 = 1;

/// Says `ready` when the payload has passed, and its truth at the end of standard input: what went through TCP.
#[expect(clippy::print_stdout, reason = "a test waits for this word")]
pub fn run(arguments: &Sockmap) -> Result<()> {
    allow_locked_memory();
    let map = create().context("make a sockmap")?;
    let program = redirect(&map).context("load a program")?;
    bpf::attach(&map, &program, SK_MSG_VERDICT, 0).context("attach it")?;
    let listener = TcpListener::bind(arguments.at).context("listen")?;
    let mut begun = TcpStream::connect(arguments.at).context("connect")?;
    let (mut accepted, _) = listener.accept().context("accept")?;
    enter(&map, 0, &accepted).context("enter the receiver")?;
    enter(&map, 1, &begun).context("enter the sender")?;
    let payload = vec![b'.'; arguments.bytes as usize];
    begun.write_all(&payload).context("send")?;
    let mut taken = vec![0; payload.len()];
    accepted.read_exact(&mut taken).context("receive")?;
    let through = counters(&begun)?.sent;
    ensure!(through == 0, "{through} bytes went through TCP");
    println!("ready");
    let _ = stdin().read(&mut [0]).context("wait")?;
    let mut truth = Truth::default();
    truth.establish();
    truth.print(arguments.at);
    Ok(())
}

/// Keys and values of four bytes, and room for two.
fn create() -> io::Result<OwnedFd> {
    bpf::open(MAP_CREATE, &[SOCKMAP, 4, 4, 2])
}

/// `r2 = the map; r3 = 0; r4 = INGRESS; bpf_msg_redirect_map(r1, r2, r3, r4); exit`.
fn redirect(map: &OwnedFd) -> io::Result<OwnedFd> {
    let with = |operation: u64, constant: u64| operation | constant << 32;
    let code = [
        with(0x1218, u64::from(bpf::number(map))),
        0,
        0x3b7,
        with(0x4b7, INGRESS),
        with(0x85, REDIRECT),
        0x95,
    ];
    bpf::load(SK_MSG, SK_MSG_VERDICT, &code)
}

fn enter(map: &OwnedFd, key: u32, socket: &TcpStream) -> io::Result<()> {
    let value = bpf::number(socket);
    let attributes = [
        u64::from(bpf::number(map)),
        &raw const key as u64,
        &raw const value as u64,
        0,
    ];
    bpf::call(MAP_UPDATE, &attributes).map(drop)
}
