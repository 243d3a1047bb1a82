//! What does this kernel hide from every program of BPF?
//!
//! There are kernels that run no program at a raw tracepoint while a thread of the first process is current, and do not count that
//! as missed: seen on a 6.18 for small virtual machines, where ftrace saw sockets change their state in softirq on top of such
//! a thread, and programs at the same tracepoint did not. What comes in such a moment nobody can count. Where a kernel runs
//! them, nothing is hidden: a program of two lines tells.

use std::{
    ffi::CString,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use super::counter::Counter;

/// The process whose threads it is about.
const FIRST: u32 = 1;
/// Where TCP sockets change their state, and where they end.
const EVENTS: [[&str; 2]; 2] = [["sock", "inet_sock_set_state"], ["tcp", "tcp_destroy_sock"]];

/// Watches what happens on top of the first process, with an instance of the kernel's trace of its own.
pub struct Hidden {
    /// Where tracefs is mounted for it.
    mount: PathBuf,
    instance: PathBuf,
    seen: Counter,
}

/// The ports of a socket that changed unseen, its own and the other end's.
pub type Change = [u16; 2];

impl Hidden {
    /// Begins to watch. Needs root.
    pub fn begin() -> io::Result<Self> {
        Self::of(FIRST, FIRST)
    }

    /// The same of the threads of a process, with a program that counts on top of those of another.
    pub fn of(process: u32, counted: u32) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-hidden-{}-{number}", process::id());
        let mount = std::env::temp_dir().join(&name);
        fs::create_dir_all(&mount)?;
        mount_tracefs(&mount)?;
        let instance = mount.join("instances").join(name);
        let seen = Counter::of_process(counted, &EVENTS.map(|[_, event]| event))?;
        // From here on dropping it takes back whatever was done.
        let hidden = Self {
            mount,
            instance,
            seen,
        };
        fs::create_dir(&hidden.instance)?;
        hidden.set("set_event_pid", &threads(process)?)?;
        hidden.set("options/event-fork", "1")?;
        for [group, event] in EVENTS {
            hidden.set(&format!("events/{group}/{event}/enable"), "1")?;
        }
        Ok(hidden)
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.instance.join(file), value)
    }

    /// What was hidden so far.
    pub fn changes(&self) -> Vec<Change> {
        let trace = fs::read_to_string(self.instance.join("trace")).unwrap_or_default();
        let lines = trace.lines().filter(|line| !line.starts_with('#'));
        let changes: Vec<Change> = lines.filter_map(ports).collect();
        if self.seen.count() >= changes.len() as u64 {
            return Vec::new();
        }
        changes
    }
}

impl Drop for Hidden {
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

/// Of a line of the trace: both events tell them alike.
fn ports(line: &str) -> Option<Change> {
    let port = |name: &str| line.split_once(name)?.1.split(' ').next()?.parse().ok();
    Some([port(" sport=")?, port(" dport=")?])
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
