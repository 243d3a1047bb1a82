//! Datagrams one by one, with and without answers, each system call that takes them in its own mode.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};

use super::arguments::Mode;
use super::client::{Client, Plan};
use super::request;
use crate::message;

/// Datagrams that are under way at a time: no queue on the way is shorter, so none is lost.
pub const WINDOW: u64 = 16;
/// The room that `truncated` gives an answer.
const SHORT: usize = 4;

pub fn send_to(client: &mut Client, times: u64, bytes: u64) -> Result<()> {
    let payload = request::of(request::SINK, bytes);
    for _ in 0..times {
        let sent =
            message::send(&client.socket, &payload, Some(&client.to), 0).context("sendto")?;
        client.sent(1, sent);
    }
    Ok(())
}

pub fn connected(client: &mut Client, plan: &Plan) -> Result<()> {
    client.connect(plan.to)?;
    let payload = request::of(request::SINK, plan.bytes);
    for _ in 0..plan.times {
        let sent = message::send(&client.socket, &payload, None, 0).context("send")?;
        client.sent(1, sent);
    }
    Ok(())
}

pub fn echo(client: &mut Client, plan: &Plan) -> Result<()> {
    let with_address = match plan.mode {
        Mode::EchoConnected | Mode::EchoWrite => {
            client.connect(plan.to)?;
            false
        }
        _ => true,
    };
    let payload = payload(plan)?;
    let send = |client: &mut Client| {
        let to = with_address.then_some(&client.to);
        let sent = if plan.mode == Mode::EchoWrite {
            file_of(client)?.write(&payload).context("write")? as u64
        } else {
            message::send(&client.socket, &payload, to, 0).context("send")?
        };
        client.sent(1, sent);
        Ok(())
    };
    let take = |client: &mut Client| {
        let taken = take(client, plan).context("take an answer\nhint: is it lost?")?;
        ensure!(taken == plan.bytes, "an answer has {taken} bytes");
        client.took(1, taken);
        Ok(())
    };
    windowed(client, plan.times, send, take)?;
    client.check_empty()
}

/// What asks for an echo.
pub fn payload(plan: &Plan) -> Result<Vec<u8>> {
    ensure!(plan.bytes > 0, "an empty datagram is not answered");
    Ok(request::of(request::ECHO, plan.bytes))
}

/// Sends ahead of the answers, but never far.
pub fn windowed(
    client: &mut Client,
    times: u64,
    mut send: impl FnMut(&mut Client) -> Result<()>,
    mut take: impl FnMut(&mut Client) -> Result<()>,
) -> Result<()> {
    let (mut sent, mut taken) = (0, 0);
    while taken < times {
        while sent < times && sent - taken < WINDOW {
            send(client)?;
            sent += 1;
        }
        take(client)?;
        taken += 1;
    }
    Ok(())
}

/// The bytes of the one datagram that was taken.
fn take(client: &Client, plan: &Plan) -> Result<u64> {
    let mut buffer = vec![0; plan.bytes as usize + 1];
    let socket = &client.socket;
    match plan.mode {
        Mode::EchoConnected | Mode::EchoNoAddress => {
            message::receive(socket, &mut buffer, 0).context("recv")
        }
        Mode::EchoWrite => Ok(file_of(client)?.read(&mut buffer).context("read")? as u64),
        Mode::Peek => {
            // Every second answer is looked at twice.
            for _ in 0..=client.answers % 2 {
                let seen = message::receive_from(socket, &mut buffer, libc::MSG_PEEK);
                ensure!(seen.context("peek")?.0 == plan.bytes, "a short peek");
            }
            take_from(client, plan, &mut buffer, 0)
        }
        Mode::Truncated => {
            // With and without MSG_TRUNC, with which the call gives back what the datagram had.
            let short = plan.bytes.min(SHORT as u64) as usize;
            let flags = [0, libc::MSG_TRUNC][client.answers as usize % 2];
            let told = take_from(client, plan, &mut buffer[..short], flags)?;
            let expected = if flags == 0 { short as u64 } else { plan.bytes };
            ensure!(told == expected, "a truncated answer told {told} bytes");
            Ok(plan.bytes)
        }
        _ => take_from(client, plan, &mut buffer, 0),
    }
}

fn take_from(client: &Client, plan: &Plan, buffer: &mut [u8], flags: libc::c_int) -> Result<u64> {
    let (taken, from) = message::receive_from(&client.socket, buffer, flags).context("recvfrom")?;
    ensure!(from == plan.to, "{from} answered instead of {}", plan.to);
    Ok(taken)
}

fn file_of(client: &Client) -> Result<File> {
    Ok(client.socket.try_clone().context("dup")?.into())
}
