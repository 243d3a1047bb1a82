//! One probe: a program of the kernel side at one place of a file, for every process that has that mapped.
//!
//! As perf has it (`perf_event_open(2)`), and not by aya: an object's programs are one thread's, and to put a probe into all processes
//! takes its time.

use std::{
    ffi::CStr,
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use anyhow::Context as _;

/// Where the kernel tells of its uprobes.
const FOLDER: &str = "/sys/bus/event_source/devices/uprobe";

// include/uapi/linux/perf_event.h
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// `struct perf_event_attr`, up to its second version (`PERF_ATTR_SIZE_VER1`).
#[repr(C)]
#[derive(Default)]
struct Event {
    kind: u32,
    size: u32,
    configuration: u64,
    period: u64,
    sample: u64,
    read_format: u64,
    flags: u64,
    wake_up: u32,
    breakpoint: u32,
    path: u64,
    offset: u64,
}

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
            size: size_of::<Event>() as u32,
            configuration: u64::from(at_return) << self.at_return,
            path: path.as_ptr() as u64,
            offset,
            ..Event::default()
        };
        // Of all processes; the processor is of no matter, for the program is run wherever the probe is hit.
        let (process, processor, group) = (-1, 0, -1);
        // SAFETY: the kernel reads as many bytes as the structure says that it has, and a string that outlives the call.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const event,
                process,
                processor,
                group,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nobody else's.
        let probe = unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) };
        // SAFETY: takes a descriptor, and no memory.
        let set = unsafe {
            libc::ioctl(
                probe.as_raw_fd(),
                PERF_EVENT_IOC_SET_BPF as _,
                program.as_raw_fd(),
            )
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(probe)
    }
}
