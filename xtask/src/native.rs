//! How does work go on beside the tests of this machine?
//!
//! They mostly wait. What is to be built for other machines is built meanwhile, and emulated machines run, as processes that
//! get only what nobody else wants of the processors.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use anyhow::{Context, Result, bail};

/// Does both at once, the second with what the first leaves of the processors. The second is told when there is no use in going on.
pub fn beside<T, U: Send>(
    tests: impl FnOnce() -> Result<T>,
    work: impl FnOnce(&AtomicBool) -> Result<U> + Send,
) -> Result<(T, U)> {
    let is_in_vain = AtomicBool::new(false);
    thread::scope(|scope| {
        let work = scope.spawn(|| idly(|| work(&is_in_vain)));
        let done = tests();
        is_in_vain.store(done.is_err(), Relaxed);
        match work.join() {
            // What failed first is what is told.
            Ok(worked) => Ok((done?, worked?)),
            Err(_) => bail!("what was to be done meanwhile panicked"),
        }
    })
}

/// Does the work with what others leave of the processors; the processes that it starts inherit that.
fn idly<U>(work: impl FnOnce() -> Result<U>) -> Result<U> {
    let nothing = libc::sched_param { sched_priority: 0 };
    // SAFETY: changes how this thread is scheduled; the structure is read only.
    let changed = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const nothing) };
    if changed != 0 {
        return Err(io::Error::last_os_error()).context("leave the processors to others");
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_done_and_the_failure_of_either_is_told() {
        assert_eq!(beside(|| Ok(1), |_| Ok(2)).expect("both are good"), (1, 2));
        let error = |end: Result<((), ())>| format!("{:#}", end.expect_err("it fails"));
        assert_eq!(error(beside(|| Ok(()), |_| bail!("no room"))), "no room");
        let until_in_vain = |is_in_vain: &AtomicBool| {
            while !is_in_vain.load(Relaxed) {
                thread::yield_now();
            }
            Ok(())
        };
        assert_eq!(error(beside(|| bail!("wrong"), until_in_vain)), "wrong");
    }

    #[test]
    fn the_work_leaves_the_processors_to_others() {
        // SAFETY: asks how this thread is scheduled.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let seen = beside(|| Ok(policy()), |_| Ok(policy())).expect("both are good");
        assert_eq!(seen, (libc::SCHED_OTHER, libc::SCHED_IDLE));
    }
}
