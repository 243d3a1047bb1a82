//! Which programs does the kernel side know, and who are they?

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use tracer_common::{
    ProcessKey,
    map::{FLAG_ACTS, HANDLE_NO_OWNER, HANDLE_UNATTRIBUTED, counter},
};

use super::{Book, Pipeline, places};
use crate::{
    attribute::{command_of, is_unspecialised, since_boot_ns},
    kernel::process,
    ledger::Identities,
    model::{Identity, Program, Unattributed},
};

/// One program.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its number in the ledger; that of nobody when it has no name.
    pub identity: u32,
    /// The same as a value.
    pub who: Option<Arc<Identity>>,
    pub program: Option<Arc<Program>>,
    /// Why it has no name.
    pub unattributed: Option<Unattributed>,
    /// Its key in the kernel side's map; `None` for the owner of sockets older than the tracer.
    pub key: Option<ProcessKey>,
    /// For a user that is not its own.
    pub acts: bool,
    /// What it does from now on is written down as another's.
    pub is_past: bool,
    pub end: End,
}

/// What a program was at the last look. One that is dead twice is gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Lives,
    Dead,
    /// Dead, and none of its contacts lived.
    Idle,
}

/// Stands in for a program that is not known: its contacts are nobody's.
pub const NAMELESS: Known = Known {
    identity: 0,
    who: None,
    program: None,
    unattributed: Some(Unattributed::NoName),
    key: None,
    acts: false,
    is_past: false,
    end: End::Lives,
};

/// The same, to borrow.
pub static NOBODY: Known = NAMELESS;

/// Seconds that a program of Android has to be told what it is. It takes milliseconds.
const SETTLES: u32 = 2;

/// After this every processor sees what another one has written: it takes some hundred nanoseconds.
pub(super) const WRITTEN: Duration = Duration::from_micros(50);

/// By handle.
#[derive(Default)]
pub struct Programs {
    known: HashMap<u64, Known>,
    /// Programs of Android that had not been told yet what they are, and the second of the first look at them.
    unsettled: HashMap<u64, u32>,
    /// The kernel side's count of registrations when its map was last read.
    registrations: u64,
    registered: u64,
    /// How often uids have changed hands.
    handovers: u32,
}

/// What found no room in the kernel side's map of programs.
static UNREGISTERED: Known = Known {
    unattributed: Some(Unattributed::ProcessTableFull),
    ..NAMELESS
};

/// Whose the sockets are of which nobody knows whose they are.
static OWNERLESS: Known = Known {
    unattributed: Some(Unattributed::NoOwner),
    ..NAMELESS
};

impl Programs {
    pub fn find(&self, handle: u64) -> Option<&Known> {
        match handle {
            HANDLE_UNATTRIBUTED => Some(&UNREGISTERED),
            HANDLE_NO_OWNER => Some(&OWNERLESS),
            _ => self.known.get(&handle),
        }
    }

    pub fn all(&mut self) -> impl Iterator<Item = (&u64, &mut Known)> {
        self.known.iter_mut()
    }

    pub fn insert(&mut self, handle: u64, known: Known) {
        self.registered += u64::from(known.key.is_some());
        self.known.insert(handle, known);
    }

    pub fn remove(&mut self, handle: u64) {
        if let Some(known) = self.known.remove(&handle) {
            self.registered -= u64::from(known.key.is_some());
        }
    }

    /// The apps of those that are there, each as often as it has programs.
    pub fn identities(&self) -> impl Iterator<Item = u32> {
        self.known.values().map(|known| known.identity)
    }

    /// Entries of the kernel side's map, as far as they were read.
    pub fn registered(&self) -> u64 {
        self.registered
    }
}

impl Pipeline {
    /// Names the programs that are new since the last time. Those of Android that have not been told yet what they are get
    /// a moment; what they did comes with the next reading. Returns whether one is so new that it is known only after [`WRITTEN`].
    pub(super) fn learn(&mut self) -> bool {
        let registrations = self.kernel.maps.counter(counter::PROCESSES);
        if registrations == self.programs.registrations && self.programs.unsettled.is_empty() {
            return false;
        }
        let (second, now) = (self.second, since_boot_ns());
        let unsettled = std::mem::take(&mut self.programs.unsettled);
        let Self {
            kernel,
            attribution,
            programs,
            book,
            ..
        } = self;
        let own = kernel.own_handle;
        // Asked for in vain once is enough: each look goes over all apps.
        let mut may_have_place = true;
        let mut is_fresh = false;
        let mut processes = Vec::new();
        let read = kernel.programs(|handle, facts| {
            if *handle == own || programs.known.contains_key(handle) {
                return;
            }
            // The kernel side says last that all is written down; on some processors the one may be seen before the other.
            let since = now.saturating_sub(registered_ns(*handle, now));
            if Duration::from_nanos(since) < WRITTEN {
                is_fresh = true;
                return;
            }
            let (program, is_settled) = settle(process::program(facts), &facts.key);
            if !is_settled {
                let first = unsettled.get(handle).copied().unwrap_or(second);
                if second.wrapping_sub(first) < SETTLES {
                    programs.unsettled.insert(*handle, first);
                    return;
                }
            }
            let found = attribution.identify(&program, Some(registered_ns(*handle, now)));
            if let Ok(identity) = &found
                && may_have_place
                && book.identities.is_full_for(identity)
            {
                let Book {
                    identities,
                    rows,
                    durations,
                    lookups,
                    bypasses,
                    sight,
                    ..
                } = &mut *book;
                let names = (lookups, bypasses);
                let leaving = places::make(programs, identities, rows, durations, names);
                sight.give_up(&leaving);
                may_have_place = !leaving.is_empty();
            }
            let who = found.as_ref().ok().cloned().map(Arc::new);
            let (identity, unattributed) = number(&mut book.identities, found);
            if let Some(who) = &who {
                book.sight
                    .meet(identity, who.kind, &program, facts.key.started_ns);
            }
            processes.push(facts.key.process);
            programs.insert(
                *handle,
                Known {
                    identity,
                    who,
                    program: Some(Arc::new(program)),
                    unattributed,
                    key: Some(facts.key),
                    acts: facts.flags & FLAG_ACTS != 0,
                    is_past: false,
                    end: End::Lives,
                },
            );
        });
        if let Some(lookups) = &mut kernel.lookups {
            for process in processes {
                lookups.look_at(process);
            }
        }
        match read {
            Ok(false) if !is_fresh => self.programs.registrations = registrations,
            // One is still being described; it comes with the next look.
            Ok(_) => {}
            Err(_) => {
                // Those that were not looked at wait on.
                self.programs.unsettled.extend(unsettled);
                self.failed_reads += 1;
            }
        }
        is_fresh
    }

    /// Looks whether packages came and went. The system acts for a uid, and goes on when that is given to another package:
    /// what it did up to now stays that of the one, and from now on it is a program that is new to the kernel side. An app's
    /// own process is ended before its package is removed, and stays what it is.
    pub fn follow_packages(&mut self) {
        self.attribution.refresh();
        if !self.attribution.take_changed() {
            return;
        }
        let now = since_boot_ns();
        self.programs.handovers = self.programs.handovers.wrapping_add(1);
        self.kernel.set_handovers(self.programs.handovers);
        self.learn();
        for (handle, known) in self.programs.all() {
            known.is_past |= known.acts && registered_ns(*handle, now) < now;
        }
    }
}

/// When the kernel side registered a program, in nanoseconds since boot, as of `now`: it makes its handles of that, and has no
/// room for the upper ten bits. One that was registered since is of a moment behind `now`.
fn registered_ns(handle: u64, now_ns: u64) -> u64 {
    const LOST: u64 = 1 << 54;
    /// Far longer than anybody takes from asking the clock to asking this.
    const SINCE: u64 = 1 << 42;
    let since = (handle >> 10).wrapping_sub(now_ns) % LOST;
    if since < SINCE {
        now_ns + since
    } else {
        (now_ns + since).saturating_sub(LOST)
    }
}

/// A program of Android that had not been told yet what it is when it was registered: now it may have been. Returns whether
/// that is so.
fn settle(mut program: Program, key: &ProcessKey) -> (Program, bool) {
    if !program.command.as_deref().is_some_and(is_unspecialised) || key.user == 0 {
        return (program, true);
    }
    // One that is gone will not be told any more.
    let Ok(command) = command_of(Path::new("/"), key.process, key.started_ns) else {
        return (program, true);
    };
    let is_settled = !command.as_deref().is_some_and(is_unspecialised);
    program.command = command;
    (program, is_settled)
}

/// The number of what attribution found.
pub fn number(
    identities: &mut Identities,
    found: Result<Identity, Unattributed>,
) -> (u32, Option<Unattributed>) {
    match found {
        Ok(identity) => (identities.number(&identity), None),
        Err(reason) => (0, Some(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_tells_when_it_was_made_however_long_the_machine_has_run() {
        const DAY: u64 = 86_400 * 1_000_000_000;
        for made in [0, 1, DAY, 208 * DAY, 209 * DAY, 1000 * DAY] {
            let handle = made << 10 | 7;
            assert_eq!(registered_ns(handle, made), made);
            assert_eq!(registered_ns(handle, made + DAY), made, "{made}");
            assert_eq!(registered_ns(handle, made + 200 * DAY), made, "{made}");
        }
    }

    /// The programs are read one after the other, and new ones come meanwhile.
    #[test]
    fn a_handle_that_is_made_while_others_are_read_is_of_later_and_not_of_the_first_moment() {
        for now in [1, 1 << 40, (1 << 54) - 2, 1 << 54, 5 << 54] {
            for since in [1, 5_000_000, 1 << 41] {
                let handle = (now + since) << 10 | 7;
                assert_eq!(registered_ns(handle, now), now + since, "{now}");
            }
        }
    }
}
