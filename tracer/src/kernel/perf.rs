//! Programs at events of perf (`perf_event_open(2)`), where aya does not know of the event.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

// include/uapi/linux/perf_event.h
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// `struct perf_event_attr`, up to its second version (`PERF_ATTR_SIZE_VER1`).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    configuration: u64,
    period: u64,
    sample: u64,
    read_format: u64,
    flags: u64,
    wake_up: u32,
    breakpoint: u32,
    first: u64,
    second: u64,
}

/// An event, and what its kind takes beside its number (`config`, `config1` and `config2`).
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub kind: u32,
    pub configuration: u64,
    pub first: u64,
    pub second: u64,
}

impl Event {
    /// Attaches `program` to it, in all processes; it stays so as long as the answer lives.
    ///
    /// # Safety
    ///
    /// What the event points to is there.
    pub unsafe fn attach(self, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let attributes = Attributes {
            kind: self.kind,
            size: size_of::<Attributes>() as u32,
            configuration: self.configuration,
            first: self.first,
            second: self.second,
            ..Attributes::default()
        };
        // The processor is of no matter, for the program is run wherever the event happens.
        let (process, processor, group) = (-1, 0, -1);
        // SAFETY: the kernel reads as many bytes as the structure says that it has, and what the caller promises.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
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
        let event = unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) };
        // SAFETY: takes a descriptor, and no memory.
        let set = unsafe {
            libc::ioctl(
                event.as_raw_fd(),
                PERF_EVENT_IOC_SET_BPF as _,
                program.as_raw_fd(),
            )
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(event)
    }
}
