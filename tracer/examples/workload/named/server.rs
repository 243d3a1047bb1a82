//! A name server of a few names, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::{io, thread};

use anyhow::{Context, Result};
use clap::Args;

use super::{asked, counted, message};

#[derive(Args)]
pub struct ServeNames {
    #[arg(long)]
    pub listen: Vec<SocketAddr>,
    /// NAME=ADDRESS of IPv4; a name may have several
    #[arg(long, value_parser = answer)]
    pub answer: Vec<(String, Ipv4Addr)>,
}

fn answer(text: &str) -> Result<(String, Ipv4Addr), String> {
    let (name, address) = text.split_once('=').ok_or("it is not NAME=ADDRESS")?;
    let address = address.parse().map_err(|_| "it is no address")?;
    Ok((name.to_owned(), address))
}

/// Until the standard input closes.
#[expect(clippy::print_stdout, reason = "readiness is data")]
pub fn serve(arguments: &ServeNames) -> Result<()> {
    for address in &arguments.listen {
        let socket = UdpSocket::bind(address).context("a socket")?;
        let listener = TcpListener::bind(address).context("listen")?;
        let (over_udp, over_tcp) = (arguments.answer.clone(), arguments.answer.clone());
        thread::spawn(move || {
            let mut query = [0; 4_096];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if let Ok(answer) = reply(&query[..length], &over_udp) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = over_stream(stream, &over_tcp);
            }
        });
    }
    println!("ready");
    io::copy(&mut io::stdin(), &mut io::sink()).context("wait for the end")?;
    Ok(())
}

fn over_stream(mut stream: std::net::TcpStream, answers: &[(String, Ipv4Addr)]) -> Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut query)?;
    stream.write_all(&counted(&reply(&query, answers)?))?;
    let _ = stream.read(&mut length);
    Ok(())
}

fn reply(query: &[u8], answers: &[(String, Ipv4Addr)]) -> Result<Vec<u8>> {
    let name = asked(query)?;
    let id = u16::from_be_bytes([query[0], query[1]]);
    let records: Vec<_> = answers
        .iter()
        .filter(|(known, _)| *known == name)
        .map(|(_, ip)| message::record(message::QUESTION, message::A, 60, &ip.octets()))
        .collect();
    Ok(message::Made::answer(id, &name, message::A, &records).bytes())
}
