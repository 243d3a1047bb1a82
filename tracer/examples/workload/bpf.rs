//! Calls of bpf(2) (include/uapi/linux/bpf.h).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::kernel::length;

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`; what follows is zero, and need not be given.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions: u32,
    program: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach: u32,
}

/// The same for `BPF_PROG_ATTACH`.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Loads a program of a type, which is to be attached so.
pub fn load(kind: u32, attach: u32, program: &[u64]) -> io::Result<OwnedFd> {
    open(
        PROG_LOAD,
        &Load {
            kind,
            instructions: program.len() as u32,
            program: program.as_ptr() as u64,
            licence: c"GPL".as_ptr() as u64,
            expected_attach: attach,
            ..Load::default()
        },
    )
}

pub fn attach(
    target: &impl AsRawFd,
    program: &impl AsRawFd,
    kind: u32,
    flags: u32,
) -> io::Result<()> {
    let attach = Attach {
        target: number(target),
        program: number(program),
        kind,
        flags,
    };
    call(PROG_ATTACH, &attach).map(drop)
}

/// For the calls that make a descriptor.
pub fn open<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    let descriptor = call(command, attributes)?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) })
}

pub fn call<T>(command: libc::c_long, attributes: &T) -> io::Result<u64> {
    let (start, size) = (ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: the kernel reads `size` bytes of the attributes, and what they point to outlives the call.
    length(unsafe { libc::syscall(libc::SYS_bpf, command, start, size) } as libc::ssize_t)
}

/// A descriptor, as attributes have it.
pub fn number(of: &impl AsRawFd) -> u32 {
    of.as_raw_fd().cast_unsigned()
}
