//! Do probes work here, and is it safe to have them? A child of the tracer runs into both kinds.
//!
//! From Linux 6.11 on a probed return is a system call of its own on x86. Until 6.14 (and releases of those before since) a filter of
//! system calls that knows it not, as those of containers do not, refuses that, and the program dies of it. From 6.6 to 6.10 a program with a
//! shadow stack dies of any. So the child has such a filter, and such a stack where there are any.

use std::{
    ffi::{c_char, c_int, c_void},
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    ptr,
};

use anyhow::{Context as _, bail, ensure};
use tracer_common::map::counter;

use super::{Counters, Shared};

/// Seconds after which the child ends, whatever holds it.
const PATIENCE: libc::c_uint = 5;

/// What is probed: a function as `getaddrinfo` is, which is asked for no name.
#[inline(never)]
extern "C" fn ask(
    name: *const c_char,
    service: *const c_char,
    hints: *const c_void,
    result: *mut *mut c_void,
) -> c_int {
    // So that it is no other function's code too, and not left out.
    let arguments = std::hint::black_box((name, service, hints, result));
    c_int::from(!arguments.0.is_null()) + RETURNED
}

const RETURNED: c_int = 77;

/// Tries. Fails where a probe was not hit, or the child did not live. To take the probes away takes its time, so they are given back.
pub fn run(shared: &Shared, counters: &Counters) -> anyhow::Result<Vec<OwnedFd>> {
    let offset = offset(ask as *const () as u64).context("find the tracer's own code")?;
    let program = |name| shared.programs.get(name).context("a program is missing");
    let kind = shared.kind;
    let probes = [
        kind.attach(
            program("name_answered")?.as_fd(),
            c"/proc/self/exe",
            offset,
            true,
        ),
        kind.attach(
            program("addresses_asked")?.as_fd(),
            c"/proc/self/exe",
            offset,
            false,
        ),
    ]
    .into_iter()
    .collect::<io::Result<Vec<_>>>()
    .context("attach to the tracer's own code")?;
    let seen = || counters.get(&counter::LOOKUPS_NAMELESS, 0);
    let before = seen().context("read a counter")?;
    let status = in_child().context("start a child")?;
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        bail!(
            "a program with a filter of system calls, or with a shadow stack, does not live with a probe at a return\nhint: take a \
             kernel of 6.14 or later, or one that has that fixed"
        );
    }
    let after = seen().context("read a counter")?;
    // Another tracer of the same file may be starting too, and its calls are seen here.
    ensure!(
        after > before,
        "attached, but the tracer's own call was not seen"
    );
    Ok(probes)
}

/// Makes the call in a child. What came of it is 0, or why it ended.
fn in_child() -> io::Result<c_int> {
    // SAFETY: the child calls only what may be called between `fork` and `exec`, and ends itself.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        // SAFETY: these take numbers, and a structure that lives as long as the call; none of this returns.
        unsafe {
            libc::alarm(PATIENCE);
            // If it dies, without leaving anything.
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            refuse();
            keep_returns!();
            let returned = ask(ptr::null(), ptr::null(), ptr::null(), ptr::null_mut());
            libc::_exit(c_int::from(returned != RETURNED));
        }
    }
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one number.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if waited == child {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Has the processor keep where functions return to, from here on: what was called before must not return. Where it cannot, nothing
/// changes.
#[cfg(target_arch = "x86_64")]
macro_rules! keep_returns {
    () => {
        // `arch_prctl(ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK)`, arch/x86/include/uapi/asm/prctl.h; a function that makes the call would not
        // return.
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_arch_prctl => _,
            in("rdi") 0x5001,
            in("rsi") 1,
            lateout("rcx") _,
            lateout("r11") _,
        )
    };
}
/// No processor in use has the like.
#[cfg(not(target_arch = "x86_64"))]
macro_rules! keep_returns {
    () => {};
}
use keep_returns;

/// Refuses the running process the system call by which a probed return enters the kernel; without privileges, as any program may.
///
/// # Safety
///
/// For a process that ends itself soon.
#[cfg(target_arch = "x86_64")]
unsafe fn refuse() {
    /// `uretprobe` (arch/x86/entry/syscalls/syscall_64.tbl).
    const URETPROBE: u32 = 335;
    // Load the number; where it is that one, go on, else skip one; refuse; allow.
    let step = |code: u32, yes, no, k| libc::sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, URETPROBE),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refused),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: a structure and what it points to, both alive. Where a kernel has no such filters, nobody has one.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const filter,
        );
    }
}

/// Elsewhere it is a trap.
///
/// # Safety
///
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn refuse() {}

/// Where in the tracer's own file the code at `address` is.
fn offset(address: u64) -> Option<u64> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (range, offset) = (fields.next()?, fields.nth(1)?);
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end, offset) = (number(start)?, number(end)?, number(offset)?);
        (start..end)
            .contains(&address)
            .then(|| address - start + offset)
    })
}
