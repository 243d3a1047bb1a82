//! `sockmap`: a connection of a program with itself, whose payload goes from socket to socket, and past TCP.

use std::io::{Read, Write, stdin};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::kernel::{checked, counters};
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
const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const SOCKMAP: u64 = 15;
const SK_MSG: u64 = 16;
const SK_MSG_VERDICT: u64 = 7;
const REDIRECT: u64 = 60;
const INGRESS: u64 = 1;

/// Says `ready` when the payload has passed, and its truth at the end of standard input: what went through TCP.
#[expect(clippy::print_stdout, reason = "a test waits for this word")]
pub fn run(arguments: &Sockmap) -> Result<()> {
    let map = create().context("make a sockmap")?;
    let program = redirect(&map).context("load a program")?;
    attach(&map, &program).context("attach it")?;
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

fn call(command: libc::c_long, attributes: &[u64]) -> Result<i32> {
    let bytes = size_of_val(attributes);
    // SAFETY: the kernel reads so many bytes there; what they point to outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), bytes) };
    Ok(checked(answer as libc::c_int)?)
}

/// Two words in one.
fn words(low: u64, high: u64) -> u64 {
    low | high << 32
}

fn descriptor(of: &impl AsRawFd) -> u64 {
    u64::from(of.as_raw_fd().cast_unsigned())
}

/// Keys and values of four bytes, and room for two.
fn create() -> Result<OwnedFd> {
    let map = call(MAP_CREATE, &[words(SOCKMAP, 4), words(4, 2)])?;
    // SAFETY: a descriptor that was just opened.
    Ok(unsafe { OwnedFd::from_raw_fd(map) })
}

/// `r2 = the map; r3 = 0; r4 = INGRESS; bpf_msg_redirect_map(r1, r2, r3, r4); exit`.
fn redirect(map: &OwnedFd) -> Result<OwnedFd> {
    let code = [
        words(0x1218, descriptor(map)),
        0,
        0x3b7,
        words(0x4b7, INGRESS),
        words(0x85, REDIRECT),
        0x95,
    ];
    let license = c"GPL";
    let attributes = [
        words(SK_MSG, code.len() as u64),
        code.as_ptr() as u64,
        license.as_ptr() as u64,
        0,
        0,
        0,
        0,
        0,
        words(0, SK_MSG_VERDICT),
    ];
    let program = call(PROG_LOAD, &attributes)?;
    // SAFETY: a descriptor that was just opened.
    Ok(unsafe { OwnedFd::from_raw_fd(program) })
}

fn attach(map: &OwnedFd, program: &OwnedFd) -> Result<()> {
    let attributes = [words(descriptor(map), descriptor(program)), SK_MSG_VERDICT];
    call(PROG_ATTACH, &attributes).map(drop)
}

fn enter(map: &OwnedFd, key: u32, socket: &TcpStream) -> Result<()> {
    let value = socket.as_raw_fd();
    let attributes = [
        descriptor(map),
        &raw const key as u64,
        &raw const value as u64,
        0,
    ];
    call(MAP_UPDATE, &attributes).map(drop)
}
