//! Calls of bpf(2), with `union bpf_attr` as the words that it is made of (include/uapi/linux/bpf.h).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

pub const MAP_CREATE: libc::c_long = 0;
pub const MAP_UPDATE: libc::c_long = 2;
pub const MAP_DELETE: libc::c_long = 3;
pub const PROG_LOAD: libc::c_long = 5;
pub const OBJ_PIN: libc::c_long = 6;
pub const PROG_ATTACH: libc::c_long = 8;
pub const PROG_QUERY: libc::c_long = 16;

/// As many words as the calls here need.
pub type Attributes = [u32; 18];

pub fn call(command: libc::c_long, attributes: &mut Attributes) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes the attributes, whose size is given, and what they point to.
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

/// Before Linux 5.11 maps and programs take locked memory, of which a process has little.
pub fn allow_locked_memory() {
    let all = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the structure is read only. Where it is refused, what needs it will say so.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const all) };
}

/// Words of a pointer.
pub fn words<T: ?Sized>(pointer: *const T) -> [u32; 2] {
    let address = pointer.cast::<u8>() as u64;
    [address as u32, (address >> 32) as u32]
}
