//! How a process becomes an app: as Android's zygote makes one, by fork, with another user, group and name, and no exec.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};

/// Where this process's first argument stands in its memory, and how much room there is.
#[derive(Clone, Copy)]
pub struct CommandLine {
    start: usize,
    length: usize,
}

impl CommandLine {
    /// Must be asked for while the process may read it: fields 48 and 49 of `/proc/self/stat`.
    pub fn find() -> Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
        let behind = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        let mut fields = behind.split_whitespace().skip(45);
        let mut next = || fields.next()?.parse::<usize>().ok();
        match (next(), next()) {
            (Some(start), Some(end)) if start != 0 && end > start => Ok(Self {
                start,
                length: end - start,
            }),
            _ => bail!("/proc/self/stat does not say where the arguments are"),
        }
    }

    /// Writes a name over it, as Android does (`setArgV0`): what was there before is zeroes then.
    pub fn overwrite(self, name: &str) -> Result<()> {
        let name = name.as_bytes();
        if name.len() >= self.length {
            bail!("no room for a name of {} bytes", name.len());
        }
        // SAFETY: the kernel says that the arguments are there, in memory of this process that may be written; nobody else
        // reads them any more.
        unsafe {
            let start = self.start as *mut u8;
            start.write_bytes(0, self.length);
            start.copy_from_nonoverlapping(name.as_ptr(), name.len());
        }
        Ok(())
    }
}

/// Names the main thread as Android does: the end of a long name with a dot in it, else the beginning.
pub fn name_thread(name: &str) {
    let is_package = name.contains('.') && !name.contains('@') && name.len() >= 15;
    let short = if is_package {
        &name[name.len() - 15..]
    } else {
        &name[..name.len().min(15)]
    };
    if let Ok(short) = CString::new(short) {
        // SAFETY: the kernel copies at most 16 bytes of a C string.
        unsafe { libc::prctl(libc::PR_SET_NAME, short.as_ptr()) };
    }
}

/// Moves this process into its own control group: `uid_N/pid_M`.
pub fn enter_group(root: &Path, user: u32) -> Result<()> {
    let group = root.join(format!("uid_{user}/pid_{}", std::process::id()));
    fs::create_dir_all(&group)
        .and_then(|()| fs::write(group.join("cgroup.procs"), "0"))
        .with_context(|| format!("enter {}", group.display()))
}

/// Removes the group of a process that is gone.
pub fn remove_group(root: &Path, user: u32, process: i32) {
    let group = root.join(format!("uid_{user}/pid_{process}"));
    // The last one to leave takes the folder of the user with it.
    let _ = fs::remove_dir(&group);
    let _ = group.parent().map(fs::remove_dir);
}

/// Becomes another user, for good.
pub fn become_user(user: u32) -> Result<()> {
    // SAFETY: plain calls; the list of groups is empty.
    let results = unsafe {
        [
            libc::setgroups(0, std::ptr::null()),
            libc::setresgid(user, user, user),
            libc::setresuid(user, user, user),
        ]
    };
    if results.iter().any(|result| *result != 0) {
        return Err(io::Error::last_os_error()).with_context(|| format!("become user {user}"));
    }
    Ok(())
}

/// Forks a process that does `work` with its end of a pair of sockets. Only one thread may run. Returns the child's number,
/// and the other end.
pub fn fork(work: impl FnOnce(UnixStream)) -> Result<(i32, UnixStream)> {
    let (ours, theirs) = UnixStream::pair().context("make a pair of sockets")?;
    // SAFETY: this process has one thread, so the child finds every lock free.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()).context("fork"),
        0 => {
            drop(ours);
            work(theirs);
            // SAFETY: ends the process at once; what the parent is to do at its end is not this one's.
            unsafe { libc::_exit(0) }
        }
        child => Ok((child, ours)),
    }
}

/// Forks a process that does `work` and tells what it returns. Only one thread may run. Returns the child's number too.
pub fn in_child(work: impl FnOnce() -> Result<String>) -> Result<(i32, String)> {
    let (child, mut ours) = fork(|mut theirs| {
        let told = match work() {
            Ok(said) => format!("ok {said}"),
            Err(error) => format!("{error:#}"),
        };
        let _ = theirs.write_all(told.as_bytes());
    })?;
    let mut told = String::new();
    let read = ours.read_to_string(&mut told);
    // SAFETY: waits for a child of ours, and asks for no status.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    read.context("listen to the child")?;
    match told.strip_prefix("ok ") {
        Some(said) => Ok((child, said.to_owned())),
        None => bail!("{told}"),
    }
}

/// Does it in a thread of that name, as apps do: whoever goes by the name of a thread goes wrong.
pub fn in_thread<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, work)
            .context("start a thread")?
            .join()
            .unwrap_or_else(|_| bail!("the thread died"))
    })
}
