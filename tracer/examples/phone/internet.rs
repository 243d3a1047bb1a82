//! Everybody whom apps contact, at every address that leads here.

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use anyhow::{Context, Result};

use crate::contact::HEADER;
use crate::control;

/// Most bytes that somebody gets back: whoever asks for more gets this many.
const MOST: u64 = 1 << 20;

/// Serves until this process is ended.
pub fn run(tcp: &[u16], udp: &[SocketAddr]) -> Result<()> {
    let listeners = tcp
        .iter()
        .map(|port| TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)))
        .collect::<io::Result<Vec<_>>>()
        .context("listen for TCP")?;
    let sockets = udp
        .iter()
        .map(UdpSocket::bind)
        .collect::<io::Result<Vec<_>>>()
        .context("listen for UDP")?;
    control::say("ready");
    thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(|| {
                for stream in listener.incoming() {
                    // A caller that goes away is its own affair.
                    let _ = stream.and_then(answer);
                }
            });
        }
        for socket in &sockets {
            scope.spawn(|| {
                loop {
                    let _ = answer_datagram(socket);
                }
            });
        }
    });
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    io::copy(&mut stream, &mut io::sink())?;
    let bytes = vec![0xa5; u64::from_be_bytes(header).min(MOST) as usize];
    stream.write_all(&bytes)
}

fn answer_datagram(socket: &UdpSocket) -> io::Result<()> {
    let mut bytes = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut bytes)?;
    if let Some(header) = bytes[..length].first_chunk::<HEADER>() {
        let answer = u64::from_be_bytes(*header).min(60_000) as usize;
        socket.send_to(&vec![0xa5; answer], from)?;
    }
    Ok(())
}
