//! `associations`: open, send, take the echo, close.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::Style;
use crate::truth::{Truth, failure};
use crate::{datagram, kernel, message, socket};

#[derive(Args)]
pub struct Associations {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long, default_value = "one-to-one")]
    pub style: Style,
    /// Associations, each of a socket of its own
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Messages on each association
    #[arg(long, default_value_t = 1)]
    pub messages: u64,
    /// User data of each message
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub bytes: u64,
}

const PATIENCE: u64 = 10;

pub fn run(arguments: &Associations) -> Result<()> {
    let mut truth = Truth::default();
    for _ in 0..arguments.times {
        exchange(arguments, &mut truth)?;
    }
    truth.print(arguments.to);
    Ok(())
}

fn exchange(arguments: &Associations, truth: &mut Truth) -> Result<()> {
    let socket = super::open(arguments.to.ip(), arguments.style)?;
    message::give_up_after(&socket, kernel::patience(PATIENCE))?;
    let to = socket::encode(arguments.to);
    // With one-to-many the first message makes the association.
    let many = arguments.style == Style::OneToMany;
    if !many {
        if let Err(error) = socket::connect(&socket, arguments.to) {
            truth.fail(&failure(&error));
            return Ok(());
        }
        truth.establish();
    }
    let payload = datagram::payload(datagram::ECHO, arguments.bytes);
    for turn in 0..arguments.messages {
        let sent = message::send(&socket, &payload, many.then_some(&to), 0);
        let sent = match sent {
            Err(error) if many && turn == 0 => {
                truth.fail(&first_failure(&error));
                return Ok(());
            }
            sent => sent.context("send a message")?,
        };
        truth.sent += sent;
        let taken = take(&socket, arguments.bytes);
        if let (true, 0, Err(error)) = (many, turn, &taken) {
            // Sent into an association that never came to be: the data did not leave.
            truth.sent -= sent;
            let error = error.downcast_ref::<io::Error>();
            truth.fail(&error.map_or_else(|| "error".to_owned(), first_failure));
            return Ok(());
        }
        truth.received += taken?;
        if many && turn == 0 {
            truth.establish();
        }
    }
    Ok(())
}

/// A one-to-many socket is not told why it has no association: it was refused, or nobody answered in time.
fn first_failure(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOTCONN) => "refused".to_owned(),
        Some(libc::EAGAIN) => "timed-out".to_owned(),
        _ => failure(error),
    }
}

/// One echo, which may come in pieces.
fn take(socket: &OwnedFd, bytes: u64) -> Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut taken = 0;
    while taken < bytes {
        let now = message::receive(socket, &mut buffer, 0).context("take an echo")?;
        ensure!(now > 0, "the server ended");
        taken += now;
    }
    ensure!(taken == bytes, "the echo has {taken} bytes");
    Ok(taken)
}
