//! One accepted connection, which does what its header says.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

use anyhow::{Context, Result};

use super::Count;
use crate::header::{self, Behaviour, Header};
use crate::session::PAYLOAD;
use crate::socket;

#[derive(PartialEq, Eq)]
pub enum Progress {
    Waiting,
    Done,
}

impl Progress {
    fn done_if(done: bool) -> Self {
        if done { Self::Done } else { Self::Waiting }
    }
}

pub struct Connection {
    stream: TcpStream,
    first: [u8; header::LENGTH],
    /// Bytes of the header that are here.
    filled: usize,
    header: Option<Header>,
    /// Bytes after the header.
    received: u64,
    sent: u64,
    /// The client has ended its direction.
    ended: bool,
    /// Neither direction goes on.
    broken: bool,
    half_closed: bool,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nonblocking(true).context("set non-blocking")?;
        Ok(Self {
            stream,
            first: [0; header::LENGTH],
            filled: 0,
            header: None,
            received: 0,
            sent: 0,
            ended: false,
            broken: false,
            half_closed: false,
        })
    }

    pub fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Does all that can be done now: epoll tells each change only once.
    pub fn advance(&mut self, gone: bool, count: &mut Count) -> Progress {
        let Some(header) = self.read_header(count) else {
            return Progress::done_if(self.ended || self.broken);
        };
        if header.behaviour == Behaviour::Ignore {
            if gone {
                // What arrived stays readable after a reset: only now, when it cannot open the window.
                self.read_all(count);
            }
            return Progress::done_if(gone);
        }
        self.read_all(count);
        if self.may_send(header) {
            self.send(header, count);
        }
        let all_sent = self.sent == header.download;
        match header.behaviour {
            Behaviour::Reset if all_sent && self.received >= header.upload => {
                // Should the option fail, the close is orderly, and the client complains.
                let _ = socket::reset_on_close(&self.stream);
                return Progress::Done;
            }
            Behaviour::SpeakFirst if all_sent && !self.half_closed => {
                self.half_closed = true;
                // Fails only when the client is gone, which the next read tells as well.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            _ => {}
        }
        let complete = self.ended && (all_sent || !self.may_send(header));
        Progress::done_if(complete || self.broken)
    }

    fn may_send(&self, header: Header) -> bool {
        match header.behaviour {
            Behaviour::Answer => self.received >= header.upload,
            Behaviour::AnswerAtEnd => self.ended,
            Behaviour::SpeakFirst | Behaviour::Reset => true,
            Behaviour::Ignore => false,
        }
    }

    /// Reads no byte more than the header, because of `Ignore`.
    fn read_header(&mut self, count: &mut Count) -> Option<Header> {
        while self.header.is_none() && !self.ended {
            let read = self.stream.read(&mut self.first[self.filled..]);
            self.filled += self.taken(read, count)?;
            if self.filled == header::LENGTH {
                let stranger = Header {
                    behaviour: Behaviour::Answer,
                    upload: 0,
                    download: 0,
                };
                self.header = Some(Header::decode(&self.first).unwrap_or(stranger));
                // The last segment of an answer must not wait for the acknowledgement of the one before.
                let _ = self.stream.set_nodelay(true);
            }
        }
        self.header
    }

    fn read_all(&mut self, count: &mut Count) {
        let mut buffer = [0; 16 * 1024];
        while !self.ended {
            let read = self.stream.read(&mut buffer);
            let Some(taken) = self.taken(read, count) else {
                return;
            };
            self.received += taken as u64;
        }
    }

    /// Bytes taken from the socket; none when it has nothing more for now.
    fn taken(&mut self, read: std::io::Result<usize>, count: &mut Count) -> Option<usize> {
        match read {
            Ok(taken) => {
                self.ended = taken == 0;
                count.received += taken as u64;
                Some(taken)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(0),
            Err(error) => {
                self.broken = error.kind() != ErrorKind::WouldBlock;
                None
            }
        }
    }

    fn send(&mut self, header: Header, count: &mut Count) {
        while self.sent < header.download {
            let left = (header.download - self.sent).min(PAYLOAD.len() as u64);
            match self.stream.write(&PAYLOAD[..left as usize]) {
                Ok(written) => {
                    self.sent += written as u64;
                    count.sent += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.broken |= error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }
}
