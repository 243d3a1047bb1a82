//! One stream inside the connection: what a service reads from and writes to, one message on its way at a time.

use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::message::Command;
use crate::sender::Sender;

pub struct Channel {
    /// Our number of it.
    local: u32,
    /// The other side's number of it.
    remote: u32,
    sender: Arc<Sender>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What arrived and was not taken yet. The other side sends no more until it hears that this was taken.
    arrived: Option<Vec<u8>>,
    /// Whether the other side has taken our last message.
    may_send: bool,
    is_closed: bool,
}

impl Channel {
    pub fn new(local: u32, remote: u32, sender: Arc<Sender>) -> Self {
        Self {
            local,
            remote,
            sender,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub fn is_with(&self, remote: u32) -> bool {
        self.remote == remote
    }

    pub fn max_payload(&self) -> usize {
        self.sender.max_payload()
    }

    /// Tells the other side that the service it wants is there.
    pub fn accept(&self) -> io::Result<()> {
        self.state().may_send = true;
        self.sender
            .send(Command::Okay, self.local, self.remote, &[])
    }

    /// Tells it that the service is not there.
    pub fn refuse(&self) {
        self.state().is_closed = true;
        // A failure ends the connection, and its reader sees that.
        let _ = self.sender.send(Command::Close, 0, self.remote, &[]);
    }

    /// What arrives next; none at the end.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        loop {
            if let Some(payload) = state.arrived.take() {
                let is_closed = state.is_closed;
                drop(state);
                if !is_closed {
                    let _ = self
                        .sender
                        .send(Command::Okay, self.local, self.remote, &[]);
                }
                return Some(payload);
            }
            if state.is_closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sends all of it, in as many messages as that takes. Only where it fits into one is it sure to stay together.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(self.max_payload().max(1)) {
            let mut state = self.state();
            while !state.may_send && !state.is_closed {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.is_closed {
                return Err(ErrorKind::BrokenPipe.into());
            }
            state.may_send = false;
            drop(state);
            self.sender
                .send(Command::Write, self.local, self.remote, part)?;
        }
        Ok(())
    }

    /// Ends it from our side.
    pub fn close(&self) {
        let mut state = self.state();
        let was_closed = state.is_closed;
        state.is_closed = true;
        drop(state);
        self.changed.notify_all();
        if !was_closed {
            let _ = self
                .sender
                .send(Command::Close, self.local, self.remote, &[]);
        }
    }

    /// The other side has sent something. An error where it was not its turn.
    pub fn arrive(&self, payload: Vec<u8>) -> Result<(), &'static str> {
        let mut state = self.state();
        if state.arrived.is_some() {
            return Err("more was sent than was asked for");
        }
        state.arrived = Some(payload);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The other side has taken our last message.
    pub fn was_taken(&self) {
        self.state().may_send = true;
        self.changed.notify_all();
    }

    /// The other side has ended it, or is gone. What arrived before stays to be read.
    pub fn was_closed(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel as a plain stream of bytes.
pub struct Reader<'channel> {
    channel: &'channel Channel,
    waiting: Vec<u8>,
    used: usize,
}

impl<'channel> Reader<'channel> {
    pub fn new(channel: &'channel Channel) -> Self {
        Self {
            channel,
            waiting: Vec::new(),
            used: 0,
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.waiting.len() {
            match self.channel.receive() {
                Some(payload) => (self.waiting, self.used) = (payload, 0),
                None => return Ok(0),
            }
        }
        let count = (&self.waiting[self.used..]).read(buffer)?;
        self.used += count;
        Ok(count)
    }
}
