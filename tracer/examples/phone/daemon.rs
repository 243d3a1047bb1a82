//! Processes that live as long as the zygote, and act for others all that time: netd, and whoever fetches files.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};

use crate::charges::Charges;
use crate::contact;
use crate::control;
use crate::line::{Contacts, Kind, Line};
use crate::process;

/// One of them, as the zygote sees it.
pub struct Daemon(BufReader<UnixStream>);

impl Daemon {
    /// Forks it. It makes itself what it is, and then obeys until the zygote is gone.
    pub fn start(
        become_it: impl FnOnce() -> Result<()>,
        mut obey: impl FnMut(&Line) -> Result<u32>,
    ) -> Result<Self> {
        let (_, stream) = process::fork(|caller| {
            let became = become_it().map_err(|error| format!("{error:#}"));
            let _ = control::serve(&caller, &mut |line| {
                if let Err(error) = &became {
                    bail!("{error}");
                }
                Ok(obey(&Line::parse(line)?)?.to_string())
            });
        })?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Has it do what a line says.
    pub fn tell(&mut self, line: &str) -> Result<String> {
        writeln!(self.0.get_mut(), "{line}").context("tell")?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).context("listen")?;
        let said = answer.trim_end().strip_prefix("ok");
        Ok(said.with_context(|| answer.clone())?.trim().to_owned())
    }
}

/// What netd does: with sockets that it gives to the app that asks.
pub fn resolve(line: &Line) -> Result<u32> {
    let (users, mut ask): (_, Box<dyn FnMut(u32) -> Result<u32> + Send>) = match line {
        Line::Lookups(to, times, users) => {
            let contacts = Contacts {
                kind: Kind::Udp,
                to: *to,
                times: *times,
                sent: 40,
                received: 120,
            };
            let ask = move |user| {
                contact::make(&contacts, &mut |socket| Ok(contact::give(socket, user)?))
            };
            (users, Box::new(ask))
        }
        Line::Sort(to, times, users) => {
            let ask = |user| {
                for _ in 0..*times {
                    contact::sort(*to, &mut |socket| Ok(contact::give(socket, user)?))?;
                }
                Ok(0)
            };
            (users, Box::new(ask))
        }
        _ => bail!("netd does no such thing"),
    };
    process::in_thread("DnsTlsSocket", || users.iter().map(|user| ask(*user)).sum())
}

/// What a download manager does: with sockets for which somebody else is charged.
pub fn fetch(charges: &Charges, line: &Line) -> Result<u32> {
    let Line::Download(_, _, charged, list) = line else {
        bail!("a download manager does no such thing");
    };
    let mut last = None;
    let mut charge = |socket: RawFd| {
        let cookie = contact::cookie(socket)?;
        // As netd's own hook does when a socket is released.
        if let Some(before) = last.replace(cookie) {
            charges.forget(before)?;
        }
        charges.charge(cookie, *charged)
    };
    process::in_thread("DownloadManager", || contact::make_all(list, &mut charge))
}
