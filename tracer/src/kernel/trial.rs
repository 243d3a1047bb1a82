//! Does the kernel take a small program? It is loaded, and dropped.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

const BPF_PROG_LOAD: libc::c_long = 5;

/// `union bpf_attr`, the part of loading a program (include/uapi/linux/bpf.h), up to what is needed here.
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

/// Loads it. Each instruction is a word of eight bytes, in the machine's byte order.
pub fn load(kind: u32, expected_attach: u32, instructions: &[u64]) -> io::Result<OwnedFd> {
    let load = Load {
        kind,
        instructions: instructions.len() as u32,
        program: instructions.as_ptr() as u64,
        licence: c"GPL".as_ptr() as u64,
        expected_attach,
        ..Load::default()
    };
    let (start, size) = (&raw const load, size_of::<Load>());
    // SAFETY: the kernel reads `size` bytes of the attributes, and what they point to outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, start, size) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(answer as libc::c_int) })
}
