//! One probe: a program of the kernel side at one place of a file, for every process that has that mapped.
//!
//! As perf has it, and not by aya: an object's programs are one thread's, and to put a probe into all processes
//! takes its time.

use std::{
    ffi::CStr,
    fs, io,
    os::fd::{BorrowedFd, OwnedFd},
};

use anyhow::Context as _;

use crate::kernel::perf::Event;

/// Where the kernel tells of its uprobes.
const FOLDER: &str = "/sys/bus/event_source/devices/uprobe";

/// What the kernel calls uprobes.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(Default))]
pub struct Kind {
    /// The number of this kind of event.
    number: u32,
    /// The bit of its configuration that says that the probe is at the return.
    at_return: u32,
}

impl Kind {
    pub fn of_this_kernel() -> anyhow::Result<Self> {
        let read = |file: &str| fs::read_to_string(format!("{FOLDER}/{file}"));
        let number = read("type").context("this kernel was built without uprobes")?;
        let number = number.trim().parse().context("the number of uprobes")?;
        let bit = read("format/retprobe").context("this kernel has no uprobes at returns")?;
        let bit = bit.trim().strip_prefix("config:");
        let bit = bit.and_then(|bit| bit.parse().ok()).filter(|bit| *bit < 64);
        let at_return = bit.context("the bit of uprobes at returns")?;
        Ok(Self { number, at_return })
    }

    /// Attaches `program` at that many bytes into a file; it stays so as long as the answer lives.
    pub fn attach(
        self,
        program: BorrowedFd<'_>,
        path: &CStr,
        offset: u64,
        at_return: bool,
    ) -> io::Result<OwnedFd> {
        let event = Event {
            kind: self.number,
            configuration: u64::from(at_return) << self.at_return,
            first: path.as_ptr() as u64,
            second: offset,
        };
        // SAFETY: it points to a string that outlives the call.
        unsafe { event.attach(program) }
    }
}
