//! `serve-datagrams`: answers each datagram as its first byte asks, and tells what arrived at this end.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::arguments::ServeDatagrams;
use super::offload;
use super::request::{self, Burst};
use crate::serve::{ending_signals, wait_for_end};
use crate::{message, socket};

/// Room for tens of thousands of small datagrams, so that no sender has to wait for this end.
const ROOM: libc::c_int = 64 << 20;
/// How soon the end is noticed when nothing happens.
const TICK: Duration = Duration::from_millis(50);

/// What one listening address has seen.
#[derive(Default)]
struct Count {
    /// Each remote, and whether it was answered.
    remotes: HashMap<SocketAddr, bool>,
    received: u64,
    sent: u64,
}

#[expect(
    clippy::print_stdout,
    reason = "readiness and counts are this program's data"
)]
pub fn run(arguments: &ServeDatagrams) -> Result<()> {
    let ending = ending_signals()?;
    let mut sockets = Vec::new();
    for asked in &arguments.listen {
        let socket = listen(*asked)?;
        if let Some(bytes) = arguments.at_most {
            refuse_longer(&socket, bytes)?;
        }
        let address = socket.local_addr().context("the socket's address")?;
        if asked.port() == 0 {
            println!("listening {address}");
        }
        sockets.push((socket, address));
    }
    println!("ready");

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = sockets
            .iter()
            .map(|(socket, address)| (socket, address, scope.spawn(|| serve(socket, &stop))))
            .collect();
        let waited = wait_for_end(&ending, arguments.until_stdin_closes);
        stop.store(true, Ordering::Relaxed);
        for (socket, address, thread) in threads {
            let count = thread.join().expect("the server does not panic")?;
            println!(
                "{}",
                json!({
                    "listen": address.ip().to_canonical().to_string(),
                    "port": address.port(),
                    "contacts": count.remotes.len(),
                    "answered": count.remotes.values().filter(|answered| **answered).count(),
                    "received": count.received,
                    "sent": count.sent,
                    // Not zero: the sender's truth is whole, this one is not.
                    "dropped": message::queue(socket)?.dropped,
                })
            );
        }
        waited
    })
}

fn listen(address: SocketAddr) -> Result<UdpSocket> {
    let socket =
        socket::open_as(socket::family(address.ip()), libc::SOCK_DGRAM, 0).context("socket")?;
    let on: libc::c_int = 1;
    if address.is_ipv6() {
        // So that 0.0.0.0 and :: can be listened on at one port, each with its own count.
        socket::set(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &on)?;
    }
    message::make_room(&socket, ROOM)?;
    message::give_up_after(&socket, TICK)?;
    socket::bind(&socket, address)?;
    Ok(socket.into())
}

/// Attaches a filter, which sees a datagram from the header of UDP on.
fn refuse_longer(socket: &UdpSocket, bytes: u32) -> Result<()> {
    const HEADER: u32 = 8;
    let step = |code, if_true, value| libc::sock_filter {
        code,
        jt: if_true,
        jf: 0,
        k: value,
    };
    // A = length; if A > most, return 0; return all of it (linux/filter.h).
    let mut steps = [
        step((libc::BPF_LD | libc::BPF_W | libc::BPF_LEN) as u16, 0, 0),
        step(
            (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16,
            1,
            HEADER + bytes,
        ),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, u32::MAX),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    socket::set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn serve(socket: &UdpSocket, stop: &AtomicBool) -> Result<Count> {
    let mut count = Count::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (taken, from) = match socket.recv_from(&mut buffer) {
            Ok(taken) => taken,
            // A quiet tick after the request: whatever arrived before it has been taken.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(count);
                }
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("recvfrom"),
        };
        count.received += taken as u64;
        let sent = answer(socket, &buffer[..taken], from)?;
        count.sent += sent.unwrap_or_default();
        *count.remotes.entry(from).or_default() |= sent.is_some();
    }
}

/// The bytes of the answer; none when there is none.
fn answer(socket: &UdpSocket, asked: &[u8], to: SocketAddr) -> Result<Option<u64>> {
    if asked.first() == Some(&request::ECHO) {
        let sent = socket.send_to(asked, to).context("answer")?;
        return Ok(Some(sent as u64));
    }
    let Some(burst) = Burst::decode(asked) else {
        return Ok(None);
    };
    let (to, segment) = (socket::encode(to), u64::from(burst.bytes).max(1));
    let (mut left, mut total) = (u64::from(burst.datagrams), 0);
    while left > 0 {
        let now = left.min(offload::fitting(segment));
        let payload = vec![b'.'; (now * segment) as usize];
        total += offload::send_segments(socket, &payload, &to, segment).context("burst")?;
        left -= now;
    }
    Ok(Some(total))
}
