//! SCTP: `associations` and their server.

mod client;
mod server;

use std::os::fd::OwnedFd;
use std::process;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::socket;

pub use client::{Associations, run};
pub use server::{ServeAssociations, run as serve};

/// The exit code on a kernel without SCTP: a test is skipped, not failed.
const NO_SCTP: i32 = 3;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// SOCK_STREAM: a socket is one association
    OneToOne,
    /// SOCK_SEQPACKET: a socket has an association with each remote
    OneToMany,
}

fn open(to: std::net::IpAddr, style: Style) -> Result<OwnedFd> {
    let kind = match style {
        Style::OneToOne => libc::SOCK_STREAM,
        Style::OneToMany => libc::SOCK_SEQPACKET,
    };
    match socket::open_as(socket::family(to), kind, libc::IPPROTO_SCTP) {
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT)
            ) =>
        {
            eprintln!("workload: no SCTP: {error}\nhint: modprobe sctp");
            process::exit(NO_SCTP)
        }
        opened => opened.context("SCTP socket"),
    }
}
