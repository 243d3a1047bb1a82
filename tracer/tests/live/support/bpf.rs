//! Calls of bpf(2), with `union bpf_attr` as the words that it is made of (include/uapi/linux/bpf.h).

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

pub const BPF_PROG_LOAD: libc::c_long = 5;

/// As many words as the calls here need.
pub type Attributes = [u32; 18];

pub fn call(command: libc::c_long, attributes: &mut Attributes) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes the attributes, whose size is given, and what they point to, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_mut_ptr(),
            size_of::<Attributes>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as i32)
}

/// For the calls that make a descriptor.
pub fn open(command: libc::c_long, attributes: &mut Attributes) -> io::Result<OwnedFd> {
    let descriptor = call(command, attributes)?;
    // SAFETY: a new descriptor, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Words of a pointer.
pub fn words(pointer: u64) -> [u32; 2] {
    [pointer as u32, (pointer >> 32) as u32]
}

/// Before Linux 5.11 what programs of BPF take is locked memory, of which a process has little.
pub fn allow_locked_memory() {
    let all = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the structure is read only. Where it is refused, what needs it will say so.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const all) };
}
