//! Is this to end before it is done? A signal is only noted, so that what was made is removed as after an error.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};

static STOPPED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    STOPPED.store(true, Ordering::Relaxed);
}

/// Notes the signals by which a user, or the end of a terminal, ends a program.
pub fn listen() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let handler = note as extern "C" fn(libc::c_int);
        // SAFETY: the handler only stores into an atomic, which is async-signal-safe.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

/// Fails once there was one.
pub fn check() -> Result<()> {
    let is_stopped = STOPPED.load(Ordering::Relaxed);
    ensure!(!is_stopped, "stopped by a signal, before it was done");
    Ok(())
}
