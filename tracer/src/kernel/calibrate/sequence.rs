//! Where does a `struct tcp_sock` keep how far it is in the sequence of what it sends? Seen while a peer does not hear all.
//!
//! Many numbers of the structure are equal to these most of the time. Each of the moments here is one in which some of them
//! are not: what is urgent, held back, acknowledged out of order or late.

use std::io;

use anyhow::{Context as _, bail};

use super::{
    objects::{SOCK_BYTES, Stream},
    peek::Peek,
    search::Places,
    sockets::{Socket, until},
    tcp::{Information, NOT_SENT, SEGMENT_SIZE, SELECTIVELY, TRIES, UNACKNOWLEDGED},
};

/// What is looked for: the first number that is not acknowledged, the next that leaves, and the end of what is queued.
pub const NAMES: [&str; 3] = ["TCP_SEND_UNACKNOWLEDGED", "TCP_SEND_NEXT", "TCP_SEND_END"];

/// Payload of a packet that a peer does not hear, and of one that it does.
const LONG: usize = 900;
const SHORT: usize = 100;
/// Between the two, with headers.
const HEARS: u32 = 500;

/// Number of the first byte of payload: behind that of the SYN, whose packet is known.
pub fn first(stream: &Stream, data: u32) -> u32 {
    let target = &stream.syn.targets[data as usize / 8];
    // Behind Ethernet, an IP header without options and two ports.
    let start = [target[38], target[39], target[40], target[41]];
    u32::from_be_bytes(start).wrapping_add(1)
}

/// Looks at connections in all of the moments. Each comes with the number that it sends next.
pub fn look(peek: &Peek, streams: &mut [(Stream, u32)], places: &mut Places) -> anyhow::Result<()> {
    for (stream, _) in &*streams {
        stream.client.set(libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    }
    // The late one first: after a loss fewer packets may be in flight at once.
    for moment in [late, urgent, held, out_of_order] {
        // All of them, and then they wait together: what is lost is sent again after 200 ms.
        for (stream, next) in &mut *streams {
            *next = moment(peek, stream, *next, places)?;
            stream
                .server
                .set(libc::SOL_SOCKET, libc::SO_DETACH_FILTER, 0)?;
            stream.client.set(libc::IPPROTO_TCP, libc::TCP_CORK, 0)?;
        }
        for (stream, _) in &*streams {
            until("all of it is acknowledged", || {
                let now = Information::of(&stream.client)?;
                Ok(now.number(UNACKNOWLEDGED) == 0 && now.number(NOT_SENT) == 0)
            })?;
        }
    }
    Ok(())
}

/// Urgent data moves the mark of it, which otherwise follows what is acknowledged.
fn urgent(peek: &Peek, stream: &Stream, next: u32, places: &mut Places) -> anyhow::Result<u32> {
    deafen(&stream.server, 0)?;
    let end = after(next, stream.client.send(b"!", libc::MSG_OOB)?);
    note(peek, stream, [next, end, end], [1, 0], places)?;
    Ok(end)
}

/// The last part of what is sent, less than a segment, is held back.
fn held(peek: &Peek, stream: &Stream, next: u32, places: &mut Places) -> anyhow::Result<u32> {
    deafen(&stream.server, 0)?;
    let client = &stream.client;
    client.set(libc::IPPROTO_TCP, libc::TCP_CORK, 1)?;
    let segment = Information::of(client)?.number(SEGMENT_SIZE) as usize;
    let sent = client.send(&vec![0xa5; 2 * segment + 77], libc::MSG_MORE)?;
    let end = after(next, sent);
    let information = Information::of(client)?;
    let rest = information.number(NOT_SENT);
    if rest == 0 {
        bail!("a connection of our own holds nothing back");
    }
    let in_flight = information.number(UNACKNOWLEDGED);
    let sent = end.wrapping_sub(rest);
    note(peek, stream, [next, sent, end], [in_flight, 0], places)?;
    Ok(end)
}

/// The peer hears the second packet and not the first.
fn out_of_order(
    peek: &Peek,
    stream: &Stream,
    next: u32,
    places: &mut Places,
) -> anyhow::Result<u32> {
    deafen(&stream.server, HEARS)?;
    let sent = stream.client.send(&[0xa5; LONG], 0)? + stream.client.send(&[0xa5; SHORT], 0)?;
    let end = after(next, sent);
    note(peek, stream, [next, end, end], [2, 1], places)?;
    Ok(end)
}

/// The peer hears the first packet and not the second, and takes its time to say so. Then another one leaves, and no more are
/// in flight than were before.
fn late(peek: &Peek, stream: &Stream, next: u32, places: &mut Places) -> anyhow::Result<u32> {
    deafen(&stream.server, HEARS)?;
    stream
        .server
        .set(libc::IPPROTO_TCP, libc::TCP_QUICKACK, 0)?;
    let heard = after(next, stream.client.send(&[0xa5; SHORT], 0)?);
    let end = after(heard, stream.client.send(&[0xa5; LONG], 0)?);
    until("a late acknowledgement", || {
        Ok(Information::of(&stream.client)?.number(UNACKNOWLEDGED) == 1)
    })?;
    note(peek, stream, [heard, end, end], [1, 0], places)?;
    let end = after(end, stream.client.send(&[0xa5; LONG], 0)?);
    note(peek, stream, [heard, end, end], [2, 0], places)?;
    Ok(end)
}

/// Takes down what stands there, if `packets` are in flight and acknowledged out of order before and after; else the moment
/// has passed, which another connection may not miss.
fn note(
    peek: &Peek,
    stream: &Stream,
    numbers: [u32; 3],
    packets: [u32; 2],
    places: &mut Places,
) -> anyhow::Result<()> {
    let is_moment = || -> io::Result<bool> {
        let now = Information::of(&stream.client)?;
        Ok([UNACKNOWLEDGED, SELECTIVELY].map(|at| now.number(at)) == packets)
    };
    for _ in 0..TRIES {
        let before = is_moment()?;
        let bytes = peek.bytes(stream.sock, SOCK_BYTES)?;
        if before && is_moment()? {
            for (name, number) in NAMES.into_iter().zip(numbers) {
                places.look(name, 4, &bytes, &number.to_ne_bytes());
            }
            break;
        }
    }
    Ok(())
}

fn after(number: u32, sent: usize) -> u32 {
    number.wrapping_add(sent as u32)
}

/// Lets the peer hear only packets of so many bytes or less, of which TCP's header is a part.
fn deafen(socket: &Socket, hears: u32) -> anyhow::Result<()> {
    let step = |code, jump, value| libc::sock_filter {
        code,
        jt: jump,
        jf: 0,
        k: value,
    };
    // Classic BPF: load the length; where it is greater, go over the next step; keep all of it; keep none of it.
    let steps = [
        step(0x80, 0, 0),
        step(0x25, 1, hears),
        step(0x06, 0, u32::MAX),
        step(0x06, 0, 0),
    ];
    // `struct sock_fprog`: how many steps, and behind the gap where they are.
    let mut program = [0; 16];
    program[..2].copy_from_slice(&(steps.len() as u16).to_ne_bytes());
    program[8..].copy_from_slice(&(steps.as_ptr() as u64).to_ne_bytes());
    socket
        .set_bytes(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
        .context("filter what a connection of our own receives")
}
