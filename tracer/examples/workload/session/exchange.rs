//! Bytes both ways with write(2) and read(2), and an orderly close.

use std::thread;

use anyhow::{Context, Result};

use super::{Plan, STEP, Session, answer};
use crate::header::{Behaviour, Header};
use crate::truth::Truth;

pub fn echo(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = answer(plan.bytes_out, plan.bytes_in);
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    session.send(plan.bytes_out)?;
    session.receive(plan.bytes_in)?;
    session.close(truth)
}

/// Neither side waits for the other's data.
pub fn duplex(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = Header {
        behaviour: Behaviour::SpeakFirst,
        upload: plan.bytes_out,
        download: plan.bytes_in,
    };
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    let mut sending = Session::of(session.stream.try_clone().context("dup")?, false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| sending.send(plan.bytes_out));
        session.receive(plan.bytes_in)?;
        sender.join().expect("sending does not panic")
    })?;
    session.receive_end()?;
    session.sent += sending.sent;
    session.settle()?;
    drop(sending);
    session.close(truth)
}

pub fn drip(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = answer(plan.bytes_out, plan.bytes_in);
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    for _ in 0..plan.bytes_out {
        session.send(1)?;
        thread::sleep(STEP);
    }
    session.receive(plan.bytes_in)?;
    session.close(truth)
}

pub fn upload(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let Some(mut session) = Session::open(plan, answer(plan.bytes_out, 0), truth)? else {
        return Ok(());
    };
    session.send(plan.bytes_out)?;
    end(session, truth)
}

pub fn download(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let Some(mut session) = Session::open(plan, answer(0, plan.bytes_in), truth)? else {
        return Ok(());
    };
    session.receive(plan.bytes_in)?;
    session.close(truth)
}

/// The client ends its direction and waits for the server to have seen it.
pub fn end(mut session: Session, truth: &mut Truth) -> Result<()> {
    session.end_sending()?;
    session.receive_end()?;
    session.close(truth)
}

pub fn half_close(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = Header {
        behaviour: Behaviour::AnswerAtEnd,
        upload: plan.bytes_out,
        download: plan.bytes_in,
    };
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    session.send(plan.bytes_out)?;
    session.end_sending()?;
    session.receive(plan.bytes_in)?;
    session.receive_end()?;
    session.close(truth)
}

pub fn half_close_server(plan: &Plan, truth: &mut Truth) -> Result<()> {
    let header = Header {
        behaviour: Behaviour::SpeakFirst,
        upload: plan.bytes_out,
        download: plan.bytes_in,
    };
    let Some(mut session) = Session::open(plan, header, truth)? else {
        return Ok(());
    };
    // Some before and the rest after the server's end.
    let before = plan.bytes_out / 2;
    session.send(before)?;
    session.receive(plan.bytes_in)?;
    session.receive_end()?;
    session.send(plan.bytes_out - before)?;
    if plan.verify {
        // Otherwise the close comes with the data still on its way.
        session.settle()?;
    }
    session.close(truth)
}
