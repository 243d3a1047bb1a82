//! Bytes both ways with write(2) and read(2), and an orderly close.

use anyhow::Result;

use super::{Plan, Session, answer};
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
