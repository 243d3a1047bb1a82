//! Which names did programs ask for, and which addresses were they told?

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tracer_common::Address;

/// Answers that are remembered of one program: one address of one name each.
const OF_A_PROGRAM: usize = 4_096;
/// And of all of them: some 50 MB. Beyond that, the program that has most loses its oldest.
const OF_ALL: usize = 262_144;
/// Names that are remembered of one address, of one program or of all.
const OF_AN_ADDRESS: usize = 16;
/// Addresses that are remembered whoever asked.
const TOLD: usize = 65_536;

/// Nanoseconds for which an answer holds on this device at the least, and at the most, whatever its TTL says: caches of programs go by
/// neither.
const LEAST_NS: u64 = 60 * 1_000_000_000;
const MOST_NS: u64 = 600 * 1_000_000_000;

/// Moments of an answer that are remembered beside its first and its last.
const EARLIER: usize = 4;

/// An answer: a name has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The name that was asked for.
    pub name: Arc<str>,
    /// The names behind it that led to the address (CNAME), the last of them last.
    pub chain: Arc<[Arc<str>]>,
    /// Number of the thread that asked, 0 where that is not known.
    pub thread: u32,
    /// `CLOCK_MONOTONIC` nanoseconds of the first such answer, and of the last.
    pub first_ns: u64,
    pub last_ns: u64,
    /// Those of the ones before the last, the newest first; 0 where there are none. A contact is named when it has ended, and its thread may
    /// have asked for other names since, and for this one again.
    pub earlier_ns: [u64; EARLIER],
    /// Until when the last one holds for who did not ask himself.
    pub until_ns: u64,
}

impl Lookup {
    /// When it was told last before that moment.
    fn told_before(&self, moment_ns: u64) -> u64 {
        let all = [self.last_ns].into_iter().chain(self.earlier_ns);
        let mut before = all.filter(|told_ns| (self.first_ns..=moment_ns).contains(told_ns));
        before.next().unwrap_or(self.first_ns)
    }
}

/// What all programs were told.
#[derive(Default)]
pub struct Lookups {
    programs: HashMap<u64, Told>,
    device: Told,
    /// Answers of all programs.
    count: usize,
}

/// Names by their addresses.
#[derive(Default)]
struct Told {
    names: HashMap<Address, Vec<Lookup>>,
    /// The address of each answer, the oldest first.
    order: VecDeque<Address>,
}

impl Told {
    /// Adds an answer. Returns by how many there are more now, at most `room` in all.
    fn add(&mut self, address: Address, lookup: Lookup, room: usize) -> isize {
        let names = self.names.entry(address).or_default();
        let same = names
            .iter_mut()
            .find(|known| known.name == lookup.name && known.thread == lookup.thread);
        if let Some(known) = same {
            if lookup.last_ns > known.last_ns {
                known.earlier_ns.rotate_right(1);
                known.earlier_ns[0] = known.last_ns;
                known.last_ns = lookup.last_ns;
            }
            known.until_ns = known.until_ns.max(lookup.until_ns);
            known.chain = lookup.chain;
            return 0;
        }
        let mut more = 1;
        if names.len() >= OF_AN_ADDRESS {
            names.remove(0);
            more -= 1;
        } else {
            self.order.push_back(address);
        }
        names.push(lookup);
        if self.order.len() > room {
            more -= self.forget(1) as isize;
        }
        more
    }

    /// Whether a thread was told a name of an address since that moment.
    fn was_told(&self, address: &Address, thread: u32, since_ns: u64) -> bool {
        let names = self.names.get(address).map_or(&[][..], Vec::as_slice);
        names
            .iter()
            .any(|lookup| lookup.thread == thread && lookup.last_ns >= since_ns)
    }

    /// Forgets the oldest ones. Returns how many.
    fn forget(&mut self, count: usize) -> usize {
        let mut forgotten = 0;
        for address in self.order.drain(..count.min(self.order.len())) {
            if let Some(names) = self.names.get_mut(&address) {
                names.remove(0);
                forgotten += 1;
                if names.is_empty() {
                    self.names.remove(&address);
                }
            }
        }
        forgotten
    }

    /// What was told of an address before that moment.
    fn of(&self, address: &Address, before_ns: u64) -> impl Iterator<Item = &Lookup> {
        let names = self.names.get(address).map_or(&[][..], Vec::as_slice);
        names
            .iter()
            .filter(move |lookup| lookup.first_ns <= before_ns)
    }
}

impl Lookups {
    /// A program was told, at `at_ns`, that a name has these addresses, each for so many seconds.
    pub fn add(
        &mut self,
        (process, thread): (u64, u32),
        (name, chain): (&Arc<str>, &Arc<[Arc<str>]>),
        addresses: impl IntoIterator<Item = (Address, u32)>,
        at_ns: u64,
    ) {
        for (address, seconds) in addresses {
            let holds = u64::from(seconds).saturating_mul(1_000_000_000);
            let lookup = Lookup {
                name: Arc::clone(name),
                chain: Arc::clone(chain),
                thread,
                first_ns: at_ns,
                last_ns: at_ns,
                earlier_ns: [0; EARLIER],
                until_ns: at_ns.saturating_add(holds.clamp(LEAST_NS, MOST_NS)),
            };
            self.device.add(
                address,
                Lookup {
                    thread: 0,
                    ..lookup.clone()
                },
                TOLD,
            );
            let program = self.programs.entry(process).or_default();
            let more = program.add(address, lookup, OF_A_PROGRAM);
            self.count = self.count.saturating_add_signed(more);
        }
        if self.count > OF_ALL {
            self.make_room();
        }
    }

    /// A program asked its C library, from the one moment to the other, and was told that a name has these addresses.
    ///
    /// Where the library asked DNS at the program's own socket, that has told them already, perhaps of a longer name: the library tries what is
    /// configured (`search`, resolv.conf(5)). That whole name stands then, which everybody understands.
    pub fn add_call(
        &mut self,
        who: (u64, u32),
        name: &Arc<str>,
        addresses: &[Address],
        (began_ns, at_ns): (u64, u64),
    ) {
        let program = self.programs.get(&who.0);
        let is_told = |address: &&Address| {
            program.is_some_and(|program| program.was_told(address, who.1, began_ns))
        };
        let new = addresses.iter().filter(|address| !is_told(address));
        // It says of none how long it holds.
        let new: Vec<_> = new.map(|address| (*address, 0)).collect();
        self.add(who, (name, &Arc::default()), new, at_ns);
    }

    fn make_room(&mut self) {
        let most = self
            .programs
            .values_mut()
            .max_by_key(|program| program.order.len());
        if let Some(program) = most {
            let half = program.order.len().div_ceil(2);
            self.count = self.count.saturating_sub(program.forget(half));
        }
    }

    /// A program is gone.
    pub fn forget(&mut self, process: u64) {
        if let Some(program) = self.programs.remove(&process) {
            self.count = self.count.saturating_sub(program.order.len());
        }
    }

    /// The name by which a program knows an address, as of a contact that began then: the last one that this very thread was told, else
    /// the only one that the program was.
    pub fn own(
        &self,
        (process, thread): (u64, u32),
        address: &Address,
        began_ns: u64,
    ) -> Option<&Lookup> {
        let program = self.programs.get(&process)?;
        let by_thread = program
            .of(address, began_ns)
            .filter(|lookup| thread != 0 && lookup.thread == thread)
            .max_by_key(|lookup| lookup.told_before(began_ns));
        by_thread.or_else(|| only(program.of(address, began_ns)))
    }

    /// The only name that anybody on this device was told for an address, as long as that held.
    pub fn device(&self, address: &Address, began_ns: u64) -> Option<&Lookup> {
        only(self.holding(address, began_ns))
    }

    fn holding(&self, address: &Address, began_ns: u64) -> impl Iterator<Item = &Lookup> {
        self.device
            .of(address, began_ns)
            .filter(move |lookup| began_ns <= lookup.until_ns)
    }

    /// All that it may be by: what the program was told, and what others were.
    pub fn all(
        &self,
        process: u64,
        address: &Address,
        began_ns: u64,
    ) -> (Vec<&Lookup>, Vec<&Lookup>) {
        let own: Vec<_> = self
            .programs
            .get(&process)
            .into_iter()
            .flat_map(|program| program.of(address, began_ns))
            .collect();
        let others = self
            .holding(address, began_ns)
            .filter(|lookup| own.iter().all(|own| own.name != lookup.name));
        let others = others.collect();
        (own, others)
    }
}

/// The lookup, if all are of one name: the last of them.
fn only<'a>(mut lookups: impl Iterator<Item = &'a Lookup>) -> Option<&'a Lookup> {
    let first = lookups.next()?;
    lookups.try_fold(first, |last, lookup| {
        (lookup.name == last.name).then_some(if lookup.last_ns > last.last_ns {
            lookup
        } else {
            last
        })
    })
}
