//! Connect, send, receive and close without their system calls: all through io_uring.

use std::net::TcpStream;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use anyhow::{Context, Result, ensure};
use io_uring::{IoUring, opcode, squeue, types};

use super::{PAYLOAD, Plan, Session, answer};
use crate::header;
use crate::socket;
use crate::truth::{Truth, failure};

pub struct Ring {
    ring: IoUring,
    /// `IOSQE_ASYNC` lets a kernel worker thread do the work, under its own task.
    flags: squeue::Flags,
}

impl Ring {
    /// With `worker` each operation is forced onto a kernel worker thread.
    pub fn new(worker: bool) -> Result<Self> {
        Ok(Self {
            ring: IoUring::new(4).context("io_uring\nhint: sysctl kernel.io_uring_disabled=0")?,
            flags: if worker {
                squeue::Flags::ASYNC
            } else {
                squeue::Flags::empty()
            },
        })
    }

    /// Does one operation: there is never a second one under way.
    pub fn run(&mut self, operation: squeue::Entry) -> Result<std::io::Result<u64>> {
        let entry = operation.flags(self.flags);
        // SAFETY: what the operation points to outlives this call, which waits for its completion.
        unsafe { self.ring.submission().push(&entry) }.context("push to the ring")?;
        self.ring.submit_and_wait(1).context("submit to the ring")?;
        let done = self
            .ring
            .completion()
            .next()
            .context("the ring gave no completion")?;
        Ok(u64::try_from(done.result())
            .map_err(|_| std::io::Error::from_raw_os_error(-done.result())))
    }

    fn send(&mut self, to: RawFd, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let send = opcode::Send::new(types::Fd(to), bytes.as_ptr(), bytes.len() as u32)
                .flags(libc::MSG_NOSIGNAL);
            let sent = self.run(send.build())?.context("send through the ring")?;
            bytes = &bytes[sent as usize..];
        }
        Ok(())
    }
}

pub fn io_uring(plan: &Plan, worker: bool, truth: &mut Truth) -> Result<()> {
    let mut ring = Ring::new(worker)?;
    let Some(mut session) = connect(plan, &mut ring, truth)? else {
        return Ok(());
    };
    let descriptor = session.stream.as_raw_fd();
    ring.send(descriptor, &answer(plan.bytes_out, plan.bytes_in).encode())?;
    session.sent += header::LENGTH as u64;
    let mut left = plan.bytes_out;
    while left > 0 {
        let now = left.min(PAYLOAD.len() as u64);
        ring.send(descriptor, &PAYLOAD[..now as usize])?;
        session.sent += now;
        left -= now;
    }
    let mut buffer = vec![0; PAYLOAD.len()];
    let mut left = plan.bytes_in;
    while left > 0 {
        let room = left.min(buffer.len() as u64) as u32;
        let receive = opcode::Recv::new(types::Fd(descriptor), buffer.as_mut_ptr(), room);
        let now = ring
            .run(receive.build())?
            .context("receive through the ring")?;
        ensure!(now > 0, "the server ended with {left} bytes still to come");
        session.received += now;
        left -= now;
    }
    session.check()?;
    truth.sent += session.sent;
    truth.received += session.received;
    // The ring closes it: no second owner may.
    let descriptor = session.stream.into_raw_fd();
    ring.run(opcode::Close::new(types::Fd(descriptor)).build())?
        .context("close through the ring")?;
    Ok(())
}

fn connect(plan: &Plan, ring: &mut Ring, truth: &mut Truth) -> Result<Option<Session>> {
    let opened = socket::open(plan.to).context("socket")?;
    let address = socket::encode(plan.to);
    let connect = opcode::Connect::new(
        types::Fd(opened.as_raw_fd()),
        address.pointer(),
        address.length(),
    );
    match ring.run(connect.build())? {
        Ok(_) => {
            truth.establish();
            let stream = TcpStream::from(opened);
            stream.set_nodelay(true).context("set TCP_NODELAY")?;
            Ok(Some(Session::of(stream, plan.verify)))
        }
        Err(error) => {
            truth.fail(&failure(&error));
            Ok(None)
        }
    }
}
