//! One datagram out of several sends.

use anyhow::{Context, Result};

use super::client::{Client, Plan};
use super::request;
use crate::{message, socket};

/// Sends that make one datagram.
const PIECES: u64 = 3;

/// MSG_MORE and UDP_CORK in turns.
pub fn corked(client: &mut Client, plan: &Plan) -> Result<()> {
    let payload = request::of(request::SINK, plan.bytes);
    let piece = payload.len().div_ceil(PIECES as usize).max(1);
    for turn in 0..plan.times {
        let by_option = turn % 2 == 1;
        if by_option {
            cork(client, 1)?;
        }
        let mut pieces = payload.chunks(piece).peekable();
        let mut sent = 0;
        while let Some(one) = pieces.next() {
            let more = !by_option && pieces.peek().is_some();
            let flags = if more { libc::MSG_MORE } else { 0 };
            sent += message::send(&client.socket, one, Some(&client.to), flags)
                .context("send a piece")?;
        }
        if by_option {
            // The datagram leaves now.
            cork(client, 0)?;
        }
        client.sent(1, sent);
    }
    Ok(())
}

fn cork(client: &Client, on: libc::c_int) -> Result<()> {
    socket::set(&client.socket, libc::SOL_UDP, libc::UDP_CORK, &on)
}
