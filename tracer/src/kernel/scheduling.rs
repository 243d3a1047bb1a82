//! Who reads a map is not preempted.
//!
//! On a processor on which a system call reads a map the kernel runs no program of perf (`bpf_disable_instrumentation`,
//! include/linux/bpf.h; since 5.7), so none of a kprobe either. Where the kernel is preemptible, as on phones and from Linux 7 on, that
//! would go on while others run in the reader's place.

use std::io;

/// The least of the priorities that no thread without one preempts.
const LEAST: i32 = 1;

/// While it lives, no thread without a priority of its own preempts this one; if the kernel lets us, which it does with `CAP_SYS_NICE`.
#[derive(Debug)]
pub struct Unpreempted {
    /// The policy that the thread had.
    before: Option<libc::c_int>,
}

impl Unpreempted {
    pub fn begin() -> Self {
        // By number, since some C libraries refuse these calls. SAFETY: takes a number: 0 is this thread.
        let before = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) } as libc::c_int;
        let has_priority = !matches!(
            before,
            libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE
        );
        if has_priority || set(libc::SCHED_FIFO, LEAST).is_err() {
            return Self { before: None };
        }
        Self {
            before: Some(before),
        }
    }
}

impl Drop for Unpreempted {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // To give a priority back is always allowed.
            let _ = set(before, 0);
        }
    }
}

fn set(policy: libc::c_int, priority: i32) -> io::Result<()> {
    // SAFETY: the kernel reads a number (`struct sched_param`, include/uapi/linux/sched/types.h); 0 is this thread.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LEAST, Unpreempted, set};

    fn policy() -> i64 {
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }
    }

    #[test]
    fn a_thread_has_its_policy_again_when_it_has_read() {
        for before in [libc::SCHED_OTHER, libc::SCHED_BATCH] {
            set(before, 0).expect("a policy without priority");
            let may = set(libc::SCHED_FIFO, LEAST).is_ok();
            set(before, 0).expect("the policy before");
            let reading = Unpreempted::begin();
            let expected = if may { libc::SCHED_FIFO } else { before };
            assert_eq!(policy(), i64::from(expected));
            drop(reading);
            assert_eq!(policy(), i64::from(before));
        }
    }
}
