//! `hold`: connections that stay open and send on command.

use std::io::stdin;

use anyhow::{Context, Result, bail};

use crate::arguments::{Hold, Mode};
use crate::session::{Plan, Session, answer};
use crate::truth::Truth;

pub fn run(arguments: &Hold) -> Result<()> {
    let plan = Plan {
        to: arguments.to,
        mode: Mode::Upload,
        bytes_out: arguments.bytes,
        bytes_in: 0,
        verify: false,
    };
    let mut truth = Truth::default();
    let mut sessions = Vec::new();
    for _ in 0..arguments.times {
        if let Some(session) = Session::open(&plan, answer(0, 0), &mut truth)? {
            sessions.push(session);
        }
    }
    send(&mut sessions, arguments.bytes)?;
    say_holding();
    tell(arguments, &mut truth, &sessions);
    for line in stdin().lines() {
        let line = line.context("read stdin")?;
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["send", bytes] => {
                send(
                    &mut sessions,
                    bytes.parse().context("send: how many bytes?")?,
                )?;
                tell(arguments, &mut truth, &sessions);
            }
            ["close"] => break,
            [] => {}
            _ => bail!("unknown command {line}\nhint: send BYTES, or close"),
        }
    }
    // All ends first, then all waits: the server sees them at the same time.
    for session in &sessions {
        session.end_sending()?;
    }
    for session in &mut sessions {
        session.receive_end()?;
    }
    truth.sent = sessions.iter().map(|session| session.sent).sum();
    drop(sessions);
    truth.print(arguments.to);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a test waits for this word")]
fn say_holding() {
    println!("holding");
}

fn tell(arguments: &Hold, truth: &mut Truth, sessions: &[Session]) {
    truth.sent = sessions.iter().map(|session| session.sent).sum();
    truth.print(arguments.to);
}

/// Sends on each, and waits until all of it has left and is acknowledged.
fn send(sessions: &mut [Session], bytes: u64) -> Result<()> {
    for session in &mut *sessions {
        session.send(bytes)?;
    }
    sessions.iter().try_for_each(Session::settle)
}
