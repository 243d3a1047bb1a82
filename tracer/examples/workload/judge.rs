//! `judge`: lets each packet of a netfilter queue go on, as a firewall in user space does, in a context of its own.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::kernel::{checked, length};

#[derive(Args)]
pub struct Judge {
    /// The queue's number
    #[arg(long)]
    pub queue: u16,
}

// include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_queue.h
const QUEUE: u16 = 3 << 8;
const PACKET: u16 = QUEUE;
const VERDICT: u16 = QUEUE | 1;
const CONFIGURE: u16 = QUEUE | 2;
/// Of a packet: `struct nfqnl_msg_packet_hdr`, which begins with its number.
const PACKET_HEADER: u16 = 1;
const COMMAND: u16 = 1;
const BIND: u8 = 1;
const COPY: u16 = 2;
const COPY_PACKET: u8 = 2;
const VERDICT_HEADER: u16 = 2;
const ACCEPT: u32 = 1;

/// How long a packet is judged.
const THOUGHT: Duration = Duration::from_millis(5);

/// `struct nlmsghdr` and `struct nfgenmsg`.
const HEADERS: usize = 16 + 4;
const ATTRIBUTE: usize = 4;

/// Until standard input ends; then says how many.
#[expect(clippy::print_stdout, reason = "a test reads it")]
pub fn run(arguments: &Judge) -> Result<()> {
    let socket = open().context("a netlink socket")?;
    let [high, low] = libc::AF_INET.to_be_bytes()[2..]
        .try_into()
        .expect("two bytes");
    ask(
        &socket,
        CONFIGURE,
        arguments.queue,
        COMMAND,
        &[BIND, 0, high, low],
    )?;
    let whole = [0, 0, 0xff, 0xff, COPY_PACKET];
    ask(&socket, CONFIGURE, arguments.queue, COPY, &whole)?;
    println!("ready");
    let mut buffer = vec![0; 1 << 17];
    let mut judged = 0_u64;
    while waits(&socket)? {
        // SAFETY: the kernel writes at most so many bytes there.
        let received = length(unsafe {
            libc::recv(
                socket.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
            )
        });
        let message = &buffer[..received.context("receive from the queue")? as usize];
        let kind = message
            .get(4..6)
            .map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
        if kind != Some(PACKET) {
            continue;
        }
        // Who has sent it and waits for nothing is gone by then.
        thread::sleep(THOUGHT);
        let number = number(message).context("a packet without a number")?;
        let verdict = [ACCEPT.to_be_bytes(), number].concat();
        ask(&socket, VERDICT, arguments.queue, VERDICT_HEADER, &verdict)?;
        judged += 1;
    }
    println!("{}", serde_json::json!({ "judged": judged }));
    Ok(())
}

/// Waits for a packet; `false` where standard input has ended first.
fn waits(socket: &OwnedFd) -> Result<bool> {
    let on = |descriptor| libc::pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut both = [on(socket.as_raw_fd()), on(libc::STDIN_FILENO)];
    // SAFETY: two of them.
    checked(unsafe { libc::poll(both.as_mut_ptr(), 2, -1) }).context("poll")?;
    Ok(both[0].revents != 0)
}

fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is involved.
    let socket = checked(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_NETFILTER) })?;
    // SAFETY: a descriptor that was just opened, and all-zero bytes are an address.
    unsafe {
        let socket = OwnedFd::from_raw_fd(socket as i32);
        let mut address: libc::sockaddr_nl = zeroed();
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        let length = size_of_val(&address) as libc::socklen_t;
        checked(libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            length,
        ))?;
        Ok(socket)
    }
}

/// One message with one attribute.
fn ask(socket: &OwnedFd, kind: u16, queue: u16, attribute: u16, value: &[u8]) -> Result<()> {
    const REQUEST: u16 = 1;
    let bytes = ATTRIBUTE + value.len();
    let mut message = Vec::new();
    let whole = HEADERS + bytes.next_multiple_of(4);
    message.extend((whole as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // Sequence and port: nobody asks for an answer. Then family, version, and the queue.
    message.extend([0; 8 + 2]);
    message.extend(queue.to_be_bytes());
    message.extend((bytes as u16).to_ne_bytes());
    message.extend(attribute.to_ne_bytes());
    message.extend(value);
    message.resize(whole, 0);
    // SAFETY: the message is as long as is said.
    let sent = length(unsafe {
        libc::send(
            socket.as_raw_fd(),
            message.as_ptr().cast(),
            message.len(),
            0,
        )
    });
    ensure!(
        sent.context("send to the queue")? as usize == whole,
        "half a message"
    );
    Ok(())
}

/// A packet's number, in network byte order.
fn number(message: &[u8]) -> Option<[u8; 4]> {
    let mut at = HEADERS;
    loop {
        let header = message.get(at..at + ATTRIBUTE)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        if kind == PACKET_HEADER {
            return message.get(at + ATTRIBUTE..)?.first_chunk().copied();
        }
        at += length.max(ATTRIBUTE).next_multiple_of(4);
    }
}
