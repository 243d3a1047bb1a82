//! How does something run as Android's user `shell`?

use std::io;

use crate::daemon::Daemon;

/// AID_SHELL.
const SHELL: libc::uid_t = 2000;

/// What the real one keeps besides: input, log, adb, sdcard_rw, sdcard_r, net_bt_admin, net_bt, inet, net_bw_stats,
/// readproc, uhid. With readproc it sees every process, although /proc hides them from others.
const GROUPS: [libc::gid_t; 11] = [
    1004, 1007, 1011, 1015, 1028, 3001, 3002, 3003, 3006, 3009, 3011,
];

/// Whether what is started has to give up being root. Where we are not root, it runs as whoever we are.
pub fn must_change(daemon: &Daemon) -> bool {
    // SAFETY: geteuid takes nothing, touches no memory and cannot fail.
    !daemon.is_root() && unsafe { libc::geteuid() } == 0
}

/// Makes the calling thread, and no other, run as `shell`. By system calls of its own: libc would change all threads.
/// Nothing in it allocates, so a child may call it before exec.
pub fn become_shell() -> io::Result<()> {
    // SAFETY: the kernel reads the groups given, and the other two take numbers.
    let results = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, GROUPS.len(), GROUPS.as_ptr()),
            libc::syscall(libc::SYS_setresgid, SHELL, SHELL, SHELL),
            libc::syscall(libc::SYS_setresuid, SHELL, SHELL, SHELL),
        ]
    };
    if results.iter().all(|result| *result == 0) {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
