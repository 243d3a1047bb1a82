//! Finds the libraries of programs, reads each once, and attaches to it; leaves those that nobody uses any more.

use std::{
    collections::HashMap,
    ffi::CString,
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::Receiver},
};

use super::{
    Job, Shared, Turn,
    known::{file_of, is_used, lock},
    library::{Library, Unfit, library},
    mapped::{Mapped, of_process, processes},
};

/// Bytes of a library that is read: the largest in use, with all that helps to debug it, has some 20 million.
const LARGEST: u64 = 64 << 20;

/// The program that is run where a function returns.
const AT_RETURN: &str = "name_answered";

pub struct Worker {
    shared: Arc<Shared>,
    turn: Arc<Turn>,
    asked: Receiver<Job>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, turn: Arc<Turn>, asked: Receiver<Job>) -> Self {
        Self {
            shared,
            turn,
            asked,
        }
    }

    /// Works until nobody asks any more, or its turn is over.
    pub fn run(&self) {
        for job in &self.asked {
            if self.turn.is_behind.swap(false, Relaxed) {
                self.catch_up();
            }
            match job {
                Job::All => self.look_at_all(),
                Job::Program(process) => self.look_at(process),
                Job::Check => self.check(),
            }
            if self.turn.is_over() {
                return;
            }
            self.turn.rests();
        }
    }

    /// The libraries of all that runs.
    pub fn look_at_all(&self) {
        for process in processes() {
            self.look_at(process);
        }
        self.turn.rests();
    }

    /// The same instead of all that wait.
    fn catch_up(&self) {
        while self.asked.try_recv().is_ok() {}
        self.look_at_all();
    }

    /// Those of one program. One that is gone by now has none.
    fn look_at(&self, process: u32) {
        self.turn.begins();
        for mapped in of_process(process).unwrap_or_default() {
            if self.turn.is_over() {
                return;
            }
            // In a statement of its own: nobody waits for a file with the lock.
            let is_new = lock(&self.shared.known).begin(process, &mapped);
            if is_new {
                self.attach(process, &mapped);
            }
        }
    }

    fn attach(&self, process: u32, mapped: &Mapped) {
        let mut last = None;
        for path in paths(process, mapped) {
            match read(&path) {
                Ok(bytes) => match library(&bytes) {
                    Ok(library) => match self.probes(&path, &library) {
                        Ok(probes) => {
                            return lock(&self.shared.known).probed(mapped, library, probes);
                        }
                        Err(error) => last = Some(format!("attach: {error}")),
                    },
                    Err(why) => {
                        if why == Unfit::Malformed {
                            self.shared.failed.fetch_add(1, Relaxed);
                        }
                        return lock(&self.shared.known).unfit(mapped, why);
                    }
                },
                Err(error) => last = Some(format!("read: {error}")),
            }
        }
        let why = last.unwrap_or_else(|| "not there".to_owned());
        if lock(&self.shared.known).failed(mapped, why) {
            self.shared.failed.fetch_add(1, Relaxed);
        }
    }

    /// Both probes of each function, those at the returns first, for an entry that is noted has a return; where one fails they go the other
    /// way about.
    fn probes(&self, path: &Path, library: &Library) -> io::Result<Vec<OwnedFd>> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let mut probes = Vec::new();
        for (program, at_return) in [(Some(AT_RETURN), true), (None, false)] {
            for place in &library.places {
                let program = program.unwrap_or(place.program);
                let program = self.shared.programs.get(program);
                let program = program.ok_or(io::ErrorKind::NotFound)?.as_fd();
                let kind = self.shared.kind;
                match kind.attach(program, &path, place.offset, at_return) {
                    Ok(probe) => probes.push(probe),
                    Err(error) => {
                        while let Some(probe) = probes.pop() {
                            drop(probe);
                        }
                        return Err(error);
                    }
                }
            }
        }
        Ok(probes)
    }

    /// Tries those again that failed, and looks whether each is in use yet, by him who is known to use it, else by anybody.
    fn check(&self) {
        let failures = lock(&self.shared.known).failures();
        for (process, mapped) in failures {
            self.turn.begins();
            if self.turn.is_over() {
                return;
            }
            let is_due = lock(&self.shared.known).begin(process, &mapped);
            if is_due {
                self.attach(process, &mapped);
            }
        }
        let users = lock(&self.shared.known).users();
        let mut unused: HashMap<_, _> = users
            .into_iter()
            .filter(|(_, user)| !is_used(user))
            .collect();
        if unused.is_empty() {
            return;
        }
        for process in processes() {
            self.turn.begins();
            if self.turn.is_over() {
                return;
            }
            for mapped in of_process(process).unwrap_or_default() {
                if unused.remove(&mapped.inode).is_some() {
                    lock(&self.shared.known).used(&mapped, process);
                }
            }
            if unused.is_empty() {
                return;
            }
        }
        for inode in unused.keys() {
            self.turn.begins();
            // The lock is free again when the probes are taken out, which takes its time.
            let left = lock(&self.shared.known).leave(inode);
            drop(left);
        }
    }
}

/// Where a library is: as the kernel has it mapped, which may take a right more than reading it; else by its path, if that is the same
/// file.
fn paths(process: u32, mapped: &Mapped) -> Vec<PathBuf> {
    let own = Path::new("/proc").join(process.to_string());
    let below_root = own.join("root").join(mapped.path.trim_start_matches('/'));
    let mut paths = vec![file_of(process, &mapped.range)];
    if is_same(&below_root, mapped) {
        paths.push(below_root);
    }
    paths
}

fn is_same(path: &Path, mapped: &Mapped) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().is_ok_and(|found| {
        let device = found.dev();
        let device = format!("{:02x}:{:02x}", libc::major(device), libc::minor(device));
        (device, found.ino()) == mapped.inode
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
