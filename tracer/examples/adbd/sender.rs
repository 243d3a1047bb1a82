//! How do messages of many streams share one connection to the other side?

use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::message::{Command, Header};

pub struct Sender {
    stream: Mutex<TcpStream>,
    /// What both sides take in one message. The protocol's first version takes this much, before any agreement.
    max_payload: AtomicU32,
    /// Whether the other side is of a version that looks at checksums.
    has_checksums: AtomicBool,
}

impl Sender {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream: Mutex::new(stream),
            max_payload: AtomicU32::new(4096),
            has_checksums: AtomicBool::new(true),
        }
    }

    pub fn agree(&self, max_payload: u32, has_checksums: bool) {
        self.max_payload.store(max_payload, Ordering::Relaxed);
        self.has_checksums.store(has_checksums, Ordering::Relaxed);
    }

    pub fn max_payload(&self) -> usize {
        self.max_payload.load(Ordering::Relaxed) as usize
    }

    pub fn has_checksums(&self) -> bool {
        self.has_checksums.load(Ordering::Relaxed)
    }

    pub fn send(
        &self,
        command: Command,
        first: u32,
        second: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        let mut header = Header::new(command, first, second, payload);
        if !self.has_checksums() {
            header.checksum = 0;
        }
        let mut bytes = Vec::with_capacity(header.encode().len() + payload.len());
        bytes.extend(header.encode());
        bytes.extend(payload);
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let written = stream.write_all(&bytes);
        if written.is_err() {
            // Half a message may be out: nothing after it would be understood.
            let _ = stream.shutdown(Shutdown::Both);
        }
        written
    }

    /// Ends the connection; who reads from it sees the end.
    pub fn hang_up(&self) {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = stream.shutdown(Shutdown::Both);
    }
}
