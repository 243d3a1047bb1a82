//! Closes that lose data or cut it short, each made still before it is counted.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{PATIENCE, PAYLOAD, Plan, STEP, Session, answer};
use crate::header::{Behaviour, Header};
use crate::kernel;
use crate::truth::Truth;

/// With a closed window nothing leaves but probes without payload.
const STILL: Duration = Duration::from_millis(100);
/// With a rest of a window the probe timer, at least 200 ms, still sends a part of a segment.
const STILL_WITH_WINDOW: Duration = Duration::from_millis(1500);

/// The client closes with everything received and nothing read: the kernel resets.
pub fn early_close(plan: &Plan, truth: &mut Truth) -> Result<()> {
    ensure!(
        plan.bytes_in > 0,
        "nothing to leave unread\nhint: give --bytes-in"
    );
    let Some(mut session) = Session::open(plan, answer(0, plan.bytes_in), truth)? else {
        return Ok(());
    };
    let deadline = Instant::now() + kernel::patience(PATIENCE);
    while session.received < plan.bytes_in {
        session.received = kernel::unread(&session.stream)?;
        ensure!(
            Instant::now() < deadline,
            "{} of {} bytes arrived\nhint: --bytes-in must fit the receive buffer; 50000 does",
            session.received,
            plan.bytes_in
        );
        thread::sleep(STEP);
    }
    session.close(truth)
}

/// The server resets when the client, which says so with one byte, has read everything.
pub fn server_reset(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = Header {
        behaviour: Behaviour::Reset,
        upload: 1,
        download: plan.bytes_in,
    };
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    session.receive(plan.bytes_in)?;
    session.send(1)?;
    match session.stream.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::ConnectionReset => session.close(truth),
        Err(error) => Err(error).context("wait for the reset"),
        Ok(bytes) => bail!("the server did not reset but sent {bytes} bytes"),
    }
}

/// The server never reads. What left is what was written without what the kernel never sent.
pub fn unsent(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = Header {
        behaviour: Behaviour::Ignore,
        upload: plan.bytes_out,
        download: 0,
    };
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    session
        .stream
        .set_nonblocking(true)
        .context("set non-blocking")?;
    let mut left = plan.bytes_out;
    let (mut before, mut since) = (0, Instant::now());
    let mut written = session.sent;
    loop {
        while left > 0 {
            match session
                .stream
                .write(&PAYLOAD[..left.min(PAYLOAD.len() as u64) as usize])
            {
                Ok(now) => {
                    written += now as u64;
                    left -= now as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("send"),
            }
        }
        let never_left = kernel::unsent(&session.stream)?;
        let in_flight = kernel::unacknowledged(&session.stream)? != never_left;
        let gone = written - never_left;
        if in_flight || gone != before {
            (before, since) = (gone, Instant::now());
        }
        let arrived = left == 0 && never_left == 0 && !in_flight;
        let closed = kernel::counters(&session.stream)?.window == 0;
        let still = if closed { STILL } else { STILL_WITH_WINDOW };
        if arrived || since.elapsed() > still {
            session.sent = gone;
            return session.reset(truth);
        }
        thread::sleep(STEP);
    }
}

/// An orderly close with data still on its way: all of it arrives nevertheless.
pub fn linger_data(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let Some(mut session) = Session::open(plan, answer(plan.bytes_out, 0), truth)? else {
        return Ok(());
    };
    session.send(plan.bytes_out)?;
    session.close_at_once(truth);
    Ok(())
}
