//! Where does a `struct sock` keep how its life goes: flags, pending error, which ways are shut? And which byte is its
//! state?

use anyhow::Context as _;

use super::{
    Offsets,
    objects::{Objects, SOCK_BYTES, Stream},
    peek::Peek,
    search::Places,
    sockets::{Socket, loopback, until},
};

// include/net/tcp_states.h
const FIN_WAIT2: u8 = 5;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
// include/net/sock.h
const RECEIVE_SHUT: u8 = 1;
const SEND_SHUT: u8 = 2;

/// Bit of `sk_flags` when the peer's FIN has arrived (`SOCK_DONE` of `enum sock_flags`, include/net/sock.h).
const DONE: u32 = 1;
/// Options of a socket, and the bit of `sk_flags` that each is kept in.
const FLAGS: &[(i32, u32)] = &[(libc::SO_OOBINLINE, 2), (libc::SO_KEEPALIVE, 3)];

/// Leads connections through states in which every value is known. The streams of `objects` are at their end then.
pub fn measure(
    peek: &mut Peek,
    objects: &mut Objects,
    offsets: &mut Offsets,
) -> anyhow::Result<()> {
    let mut places = Places::default();
    flags(peek, objects, &mut places)?;
    for stream in &objects.streams {
        let bytes = peek.bytes(stream.sock, SOCK_BYTES)?;
        note(&mut places, &bytes, 0, 0);
    }
    refused(peek, &mut places)?;
    let mut streams = objects.streams.drain(..);
    for _ in 0..2 {
        let stream = streams.next().context("a stream is missing")?;
        peer_shuts(peek, &stream, &mut places)?;
    }
    let stream = streams.next().context("a stream is missing")?;
    stream.client.shutdown(libc::SHUT_WR)?;
    await_state(&stream.client, FIN_WAIT2)?;
    let bytes = peek.bytes(stream.sock, SOCK_BYTES)?;
    note(&mut places, &bytes, 0, SEND_SHUT);
    places.look("SOCK_STATE", 1, &bytes, &[FIN_WAIT2]);
    let stream = streams.next().context("a stream is missing")?;
    reset(peek, stream, &mut places)?;
    for name in ["SOCK_FLAGS", "SOCK_ERROR", "SOCK_SHUTDOWN", "SOCK_STATE"] {
        offsets.put(name, places.only(name)?);
    }
    Ok(())
}

fn note(places: &mut Places, bytes: &[u8], error: i32, shut: u8) {
    places.look("SOCK_ERROR", 4, bytes, &error.to_ne_bytes());
    places.look("SOCK_SHUTDOWN", 1, bytes, &[shut]);
}

/// Options that are one bit of the flags, on and off.
fn flags(peek: &Peek, objects: &Objects, places: &mut Places) -> anyhow::Result<()> {
    let socket = &objects.streams[0];
    for (option, bit) in FLAGS {
        for value in [1, 0] {
            let before = peek.bytes(socket.sock, SOCK_BYTES)?;
            socket.client.set(libc::SOL_SOCKET, *option, value)?;
            let after = peek.bytes(socket.sock, SOCK_BYTES)?;
            places.change::<8>("SOCK_FLAGS", &before, &after, |before, after| {
                before ^ after == 1 << bit
            });
        }
    }
    Ok(())
}

/// An attempt that was refused, before and after its program has asked why.
fn refused(peek: &Peek, places: &mut Places) -> anyhow::Result<()> {
    // Bound, and nobody listens.
    let closed = Socket::bound(libc::SOCK_STREAM, loopback([77, 41, 9]))?;
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    let client = Socket::bound(kind, loopback([66, 30, 8]))?;
    // Under way, or refused already: the error pends or has been handed out, and is looked at below.
    let _ = client.connect(closed.local()?);
    client.wait(libc::POLLERR | libc::POLLHUP)?;
    let sock = peek.watched()?.sock;
    let bytes = peek.bytes(sock, SOCK_BYTES)?;
    note(places, &bytes, libc::ECONNREFUSED, RECEIVE_SHUT | SEND_SHUT);
    places.look("SOCK_STATE", 1, &bytes, &[CLOSE]);
    client.option::<4>(libc::SOL_SOCKET, libc::SO_ERROR)?;
    let bytes = peek.bytes(sock, SOCK_BYTES)?;
    note(places, &bytes, 0, RECEIVE_SHUT | SEND_SHUT);
    Ok(())
}

/// The peer's FIN, and then ours.
fn peer_shuts(peek: &Peek, stream: &Stream, places: &mut Places) -> anyhow::Result<()> {
    let before = peek.bytes(stream.sock, SOCK_BYTES)?;
    stream.server.shutdown(libc::SHUT_WR)?;
    await_state(&stream.client, CLOSE_WAIT)?;
    let after = peek.bytes(stream.sock, SOCK_BYTES)?;
    note(places, &after, 0, RECEIVE_SHUT);
    places.look("SOCK_STATE", 1, &after, &[CLOSE_WAIT]);
    places.change::<8>("SOCK_FLAGS", &before, &after, |before, after| {
        before ^ after == 1 << DONE
    });
    stream.client.shutdown(libc::SHUT_WR)?;
    await_state(&stream.client, CLOSE)?;
    let bytes = peek.bytes(stream.sock, SOCK_BYTES)?;
    note(places, &bytes, 0, RECEIVE_SHUT | SEND_SHUT);
    Ok(())
}

/// A connection that the peer resets.
fn reset(peek: &Peek, stream: Stream, places: &mut Places) -> anyhow::Result<()> {
    // `struct linger`: on, for no time.
    let linger = [1_i32.to_ne_bytes(), 0_i32.to_ne_bytes()].concat();
    stream
        .server
        .set_bytes(libc::SOL_SOCKET, libc::SO_LINGER, &linger)?;
    drop(stream.server);
    stream.client.wait(libc::POLLERR)?;
    let bytes = peek.bytes(stream.sock, SOCK_BYTES)?;
    note(places, &bytes, libc::ECONNRESET, RECEIVE_SHUT | SEND_SHUT);
    Ok(())
}

fn await_state(socket: &Socket, state: u8) -> anyhow::Result<()> {
    until("a state of a connection", || {
        let information = socket.option::<8>(libc::IPPROTO_TCP, libc::TCP_INFO)?;
        Ok(information[0] == state)
    })
}
