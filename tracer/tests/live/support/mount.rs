//! Mounts of a thread's own.

use std::{ffi::CStr, ptr::null};

/// Gives this thread, and what it starts, an empty file system of that kind at that place, which goes with them.
pub fn mount_own(kind: &CStr, at: &CStr) {
    // SAFETY: no memory but C strings is involved; the mounts of others stay as they are.
    let results = unsafe {
        let (none, private) = (c"none".as_ptr(), libc::MS_REC | libc::MS_PRIVATE);
        [
            libc::unshare(libc::CLONE_NEWNS),
            libc::mount(none, c"/".as_ptr(), null(), private, null()),
            libc::mount(none, at.as_ptr(), kind.as_ptr(), 0, null()),
        ]
    };
    assert_eq!(results, [0; 3], "hint: live tests need root");
}
