//! What happens at some of the kernel's tracepoints on top of a process, as an instance of its trace of its own tells.

use std::{
    ffi::CString,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Group and name of a tracepoint.
pub type Event = [&'static str; 2];

/// Traces for as long as the value lives.
pub struct Trace {
    /// Where tracefs is mounted for it.
    mount: PathBuf,
    instance: PathBuf,
}

impl Trace {
    /// Begins with the threads that the process has, and those that they start. Needs root.
    pub fn of(process: u32, events: &[Event]) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-trace-{}-{number}", process::id());
        let mount = std::env::temp_dir().join(&name);
        fs::create_dir_all(&mount)?;
        mount_tracefs(&mount)?;
        let instance = mount.join("instances").join(name);
        // From here on dropping it takes back whatever was done.
        let trace = Self { mount, instance };
        fs::create_dir(&trace.instance)?;
        trace.set("set_event_pid", &threads(process)?)?;
        trace.set("options/event-fork", "1")?;
        for [group, event] in events {
            trace.set(&format!("events/{group}/{event}/enable"), "1")?;
        }
        Ok(trace)
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.instance.join(file), value)
    }

    /// What it holds, a line for each event.
    pub fn text(&self) -> String {
        fs::read_to_string(self.instance.join("trace")).unwrap_or_default()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // What cannot be taken back is nothing that a test could do more about.
        let _ = fs::remove_dir(&self.instance);
        if let Ok(target) = CString::new(self.mount.as_os_str().as_bytes()) {
            // SAFETY: a path that ends with a zero byte.
            unsafe { libc::umount(target.as_ptr()) };
        }
        let _ = fs::remove_dir(&self.mount);
    }
}

fn threads(process: u32) -> io::Result<String> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))?;
    let threads: Vec<String> = threads
        .filter_map(|thread| thread.ok()?.file_name().into_string().ok())
        .collect();
    Ok(threads.join(" "))
}

fn mount_tracefs(at: &Path) -> io::Result<()> {
    let target = CString::new(at.as_os_str().as_bytes())?;
    let kind = c"tracefs".as_ptr();
    // SAFETY: strings that end with a zero byte; this file system takes no options.
    let mounted = unsafe { libc::mount(kind, target.as_ptr(), kind, 0, std::ptr::null()) };
    if mounted == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
