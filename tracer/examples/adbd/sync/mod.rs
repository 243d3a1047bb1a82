//! Files to the device and back: adb's `sync` service.

mod files;
mod request;

use std::io::{self, ErrorKind, Read};

use crate::channel::{Channel, Reader};
use crate::daemon::Daemon;
use crate::identity;
use request::{Kind, Request};

/// Serves requests until the other side has no more.
pub fn serve(channel: &Channel, daemon: &Daemon) -> io::Result<()> {
    if identity::must_change(daemon) {
        // This thread is the stream's own, and ends with it.
        identity::become_shell()?;
    }
    channel.accept()?;
    let mut reader = Reader::new(channel);
    loop {
        let request = match next(&mut reader) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            request => request?,
        };
        if request.kind == Kind::Quit {
            return Ok(());
        }
        let Some(path) = path(&mut reader, request.value)? else {
            return fail(channel, "the path is too long");
        };
        match request.kind {
            Kind::Stat => files::stat(&path, channel)?,
            Kind::List => files::list(&path, channel)?,
            Kind::Receive => files::receive(&path, channel)?,
            Kind::Send => files::send(&path, &mut reader, channel)?,
            Kind::Quit | Kind::Data | Kind::Done | Kind::Unknown => {
                return fail(channel, "unknown command");
            }
        }
    }
}

fn next(reader: &mut impl Read) -> io::Result<Request> {
    let mut bytes = [0; request::LENGTH];
    reader.read_exact(&mut bytes)?;
    Ok(Request::decode(bytes))
}

/// None where it is longer than any path.
fn path(reader: &mut impl Read, length: u32) -> io::Result<Option<String>> {
    if length > request::MAX_PATH {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    reader.read_exact(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn fail(channel: &Channel, reason: &str) -> io::Result<()> {
    channel.send(&request::encode(
        *b"FAIL",
        &[reason.len() as u32],
        reason.as_bytes(),
    ))
}
