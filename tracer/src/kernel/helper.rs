//! Whether the running kernel lets a program ask what other programs of its cgroup have answered.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_CGROUP_SOCK_ADDR: u32 = 18;
const BPF_CGROUP_INET4_CONNECT: u32 = 10;

/// `call bpf_get_retval; r0 = 1; exit` (include/uapi/linux/bpf.h: the helper has number 186).
const ASK: [u64; 3] = [0x0000_00ba_0000_0085, 0x0000_0001_0000_00b7, 0x95];

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

/// `bpf_get_retval` for programs that watch `connect(2)`; since 5.18. A small program that asks is loaded, and dropped.
pub fn tells_answers_of_others() -> bool {
    let loaded = load_program(
        BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        BPF_CGROUP_INET4_CONNECT,
        &ASK,
    );
    // Where no program can be loaded at all, loading the object says why.
    loaded.map_or_else(|error| error.raw_os_error() != Some(libc::EINVAL), |_| true)
}

/// Loads a program that is to be dropped again: whether the kernel takes it is all that is asked.
pub(super) fn load_program(
    kind: u32,
    expected_attach: u32,
    instructions: &[u64],
) -> io::Result<OwnedFd> {
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
