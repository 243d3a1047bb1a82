//! Which libraries are known, and who uses each?

use std::{
    collections::HashMap,
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    library::{Library, Unfit},
    mapped::Mapped,
};

/// Libraries that are probed at a time, each with up to 32 descriptors, two for each function. A container
/// has one of its own.
pub const LIBRARIES: u32 = 64;
/// Those that are known not to be, so that each is read once.
const UNFIT: usize = 256;
/// Times that one is tried: a probe is put into every process that has the library, and one of them may end meanwhile, as may the one by
/// which it is read.
const TRIES: u32 = 8;

/// What became of a library.
enum State {
    /// Somebody reads it.
    Read,
    Probed(
        Library,
        #[expect(dead_code, reason = "held: they go with it")] Vec<OwnedFd>,
    ),
    Unfit(Unfit),
    /// Why it could not be.
    Failed(String),
}

struct Entry {
    state: State,
    /// Times that it could not be read or probed.
    failures: u32,
    path: String,
    /// A process that has it mapped, and where.
    user: (u32, String),
}

/// All of them, by their files' devices and inode numbers.
#[derive(Default)]
pub struct Known {
    entries: HashMap<(String, u64), Entry>,
    full: u64,
}

/// What is locked here is whole after a panic too.
pub fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the kernel has what a process has mapped there.
pub fn file_of(process: u32, range: &str) -> PathBuf {
    Path::new("/proc")
        .join(process.to_string())
        .join("map_files")
        .join(range)
}

impl Known {
    /// Makes room for one that is new, or that is to be tried again. `false` where it is known, or there is no room.
    pub fn begin(&mut self, process: u32, mapped: &Mapped) -> bool {
        if let Some(entry) = self.entries.get_mut(&mapped.inode) {
            let is_again = matches!(entry.state, State::Failed(_)) && entry.failures < TRIES;
            if is_again {
                entry.state = State::Read;
                entry.user = (process, mapped.range.clone());
            }
            return is_again;
        }
        let is_unfit = |entry: &&Entry| matches!(entry.state, State::Unfit(_) | State::Failed(_));
        let unfit = self.entries.values().filter(is_unfit).count();
        if self.entries.len() - unfit >= LIBRARIES as usize || unfit >= UNFIT {
            self.full += 1;
            return false;
        }
        let entry = Entry {
            state: State::Read,
            failures: 0,
            path: mapped.path.clone(),
            user: (process, mapped.range.clone()),
        };
        self.entries.insert(mapped.inode.clone(), entry);
        true
    }

    pub fn probed(&mut self, mapped: &Mapped, library: Library, probes: Vec<OwnedFd>) {
        self.set(mapped, State::Probed(library, probes));
    }

    pub fn unfit(&mut self, mapped: &Mapped, why: Unfit) {
        self.set(mapped, State::Unfit(why));
    }

    /// It could not be read or probed. Returns whether it is given up.
    pub fn failed(&mut self, mapped: &Mapped, why: String) -> bool {
        let Some(entry) = self.entries.get_mut(&mapped.inode) else {
            return false;
        };
        entry.state = State::Failed(why);
        entry.failures += 1;
        entry.failures == TRIES
    }

    /// Those that are to be tried again, with one who has each.
    pub fn failures(&self) -> Vec<(u32, Mapped)> {
        let is_due = |(_, entry): &(&_, &Entry)| {
            matches!(entry.state, State::Failed(_)) && entry.failures < TRIES
        };
        let due = self.entries.iter().filter(is_due);
        due.map(|(inode, entry)| {
            let (process, range) = entry.user.clone();
            let mapped = Mapped {
                inode: inode.clone(),
                range,
                path: entry.path.clone(),
            };
            (process, mapped)
        })
        .collect()
    }

    fn set(&mut self, mapped: &Mapped, state: State) {
        if let Some(entry) = self.entries.get_mut(&mapped.inode) {
            entry.state = state;
        }
    }

    /// Who uses each, as far as it is known.
    pub fn users(&self) -> Vec<((String, u64), (u32, String))> {
        let read = self
            .entries
            .iter()
            .filter(|(_, entry)| !matches!(entry.state, State::Read));
        read.map(|(inode, entry)| (inode.clone(), entry.user.clone()))
            .collect()
    }

    /// Another process has it mapped too.
    pub fn used(&mut self, mapped: &Mapped, process: u32) {
        if let Some(entry) = self.entries.get_mut(&mapped.inode) {
            entry.user = (process, mapped.range.clone());
        }
    }

    /// Nobody uses it any more. What was attached goes with the answer.
    pub fn leave(&mut self, inode: &(String, u64)) -> Option<impl Sized + use<>> {
        self.entries.remove(inode)
    }

    /// It is over. What was attached goes with the answer.
    pub fn leave_all(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.entries)
    }

    /// Programs that have a library for which there was no room, once for each look at them.
    pub fn full(&self) -> u64 {
        self.full
    }

    /// Libraries that are probed.
    pub fn probed_ones(&self) -> u64 {
        let is_probed = |entry: &&Entry| matches!(entry.state, State::Probed(..));
        self.entries.values().filter(is_probed).count() as u64
    }

    /// A line for each.
    pub fn describe(&self) -> Vec<String> {
        let describe = |entry: &Entry| {
            let what = match &entry.state {
                State::Read => "being read".to_owned(),
                State::Probed(library, _) => {
                    let bits = if library.is_narrow { 32 } else { 64 };
                    let (kind, places) = (library.kind.label(), library.places.len());
                    format!("{kind}, {bits} bit, {places} functions")
                }
                State::Unfit(why) => why.label().to_owned(),
                State::Failed(why) => why.clone(),
            };
            format!("{}: {what}", entry.path)
        };
        let mut lines: Vec<_> = self.entries.values().map(describe).collect();
        lines.sort();
        lines
    }
}

/// Whether a process still has it mapped there.
pub fn is_used((process, range): &(u32, String)) -> bool {
    fs::symlink_metadata(file_of(*process, range)).is_ok()
}
