//! Of which apps is it known that whatever they asked for was seen?
//!
//! Of those none of whose programs began before the tracer, or before something was lost that may have been a question; which need a
//! question that is seen to come by a name; and whose questions could be read. Of all others nothing is known, and nobody is blamed.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use tracer_common::map::counter;

use super::{
    details::namespace_of,
    programs::{Known, Programs},
};
use crate::{
    attribute::{
        Elders, Resolution,
        scout::{Patience, Scout},
        since_boot_ns,
    },
    kernel::{
        hooks::{Attach, Cgroup},
        signal::Signal,
        source::{self, Kernel},
    },
    model::{Kind, Program},
};

/// What programs know without a question is read once a second, of so many programs at most; of further ones nothing is known.
const PROGRAMS: usize = 256;
const SECOND_NS: u64 = 1_000_000_000;

/// What was seen, and since when.
pub struct Sight {
    elders: Elders,
    /// Nanoseconds since boot: what began later was seen from its beginning on.
    since_ns: u64,
    /// How much was lost by then.
    losses: u64,
    /// By the app's number: when the first of its programs began, in nanoseconds since boot.
    first_ns: HashMap<u32, u64>,
    /// By number and start of the process; that of no process is what all have.
    resolutions: HashMap<Option<(u32, u64)>, Resolution>,
    /// Who reads them.
    scout: Scout,
    /// When those were read, in seconds.
    second: u64,
    /// The tracer's own network namespace; 0 where it is not known.
    namespace: u32,
    /// Whether questions can be seen at all.
    is_on: bool,
}

impl Sight {
    /// From now on: all hooks are attached.
    pub fn new(kernel: &Kernel) -> Self {
        let datagrams = [Signal::DatagramsOut, Signal::DatagramsIn];
        let is_seen = datagrams.into_iter().all(|signal| kernel.serves(signal));
        Self {
            elders: Elders::now(Path::new("/")),
            // Behind the look at who is there: whoever comes meanwhile may have been overlooked.
            since_ns: since_boot_ns(),
            namespace: namespace_of("self").unwrap_or(0),
            is_on: is_seen && sees_streams(kernel),
            ..Self::blind()
        }
    }

    /// One that sees nothing.
    fn blind() -> Self {
        Self {
            elders: Elders::default(),
            since_ns: 0,
            losses: 0,
            first_ns: HashMap::new(),
            resolutions: HashMap::new(),
            scout: Scout::default(),
            second: 0,
            namespace: 0,
            is_on: false,
        }
    }

    /// A program of an app became known.
    pub fn meet(&mut self, identity: u32, kind: Kind, program: &Program, started_ns: u64) {
        let began_ns = if self.elders.may_have(program, kind) {
            0
        } else {
            started_ns
        };
        let first = self.first_ns.entry(identity).or_insert(began_ns);
        *first = began_ns.min(*first);
    }

    /// What an app asks for can no longer be read.
    pub fn lose(&mut self, identity: u32) {
        self.first_ns.insert(identity, 0);
    }

    /// Apps gave up their numbers.
    pub fn give_up(&mut self, identities: &HashSet<u32>) {
        self.first_ns
            .retain(|identity, _| !identities.contains(identity));
    }

    /// So much was lost up to now that may have been a question.
    pub fn see(&mut self, losses: u64) {
        if losses != self.losses {
            self.losses = losses;
            self.since_ns = since_boot_ns();
        }
    }

    /// Whether all that an app asked for was seen.
    pub fn is_whole(&self, identity: u32) -> bool {
        let first = self.first_ns.get(&identity);
        self.is_on && first.is_some_and(|first| *first > self.since_ns)
    }

    /// Whether a program needs a question that is seen to come by a name and an address.
    pub fn needs_question(
        &mut self,
        known: &Known,
        namespace: u32,
        (name, address): (&str, &str),
    ) -> bool {
        let (Some(who), Some(key)) = (&known.who, known.key) else {
            return false;
        };
        let Some(own) = self.resolution(key.process, key.started_ns) else {
            return false;
        };
        if !own.is_gone {
            return own.needs_question(name, address);
        }
        // One that is gone, and was in no container or namespace of its own, had the files that all have.
        let is_here = namespace != 0 && namespace == self.namespace;
        if !is_here || who.kind == Kind::Container {
            return false;
        }
        let all = self.resolutions.entry(None).or_insert_with(Resolution::own);
        all.needs_question(name, address)
    }

    /// What a program may know without a question; `None` where nobody looked, or its files do not open.
    fn resolution(&mut self, process: u32, started_ns: u64) -> Option<&Resolution> {
        let now_ns = source::monotonic_ns();
        if now_ns / SECOND_NS != self.second {
            self.resolutions.clear();
            self.second = now_ns / SECOND_NS;
        }
        let key = Some((process, started_ns));
        if !self.resolutions.contains_key(&key) {
            if self.resolutions.len() >= PROGRAMS {
                return None;
            }
            // Its root may lie on a mount that does not answer.
            let place = PathBuf::from(format!("/proc/{process}/root"));
            let look = move || Some(Resolution::of(process, started_ns));
            let found = self.scout.look(&place, &mut Patience::at(now_ns), look)?;
            self.resolutions.insert(key, found);
        }
        self.resolutions.get(&key)
    }

    /// Looks at files that were given up because they took too long.
    pub fn late(&self) -> u64 {
        self.scout.late()
    }
}

/// Whether questions over TCP are seen: by a hook of their own, or at the cgroup with all packets.
fn sees_streams(kernel: &Kernel) -> bool {
    let mut serving = kernel
        .verdicts
        .iter()
        .filter(|verdict| verdict.failure.is_none());
    serving.any(|verdict| {
        verdict.hook.gives == Signal::Names || verdict.hook.attach == Attach::Cgroup(Cgroup::Egress)
    })
}

/// How much was lost that may have been a question: what found no room, and what the kernel ran no hook for.
pub fn lost(kernel: &Kernel) -> u64 {
    let full = [
        counter::NAMES_FULL,
        counter::FLOWS_FULL,
        counter::CONNECTIONS_FULL,
        counter::CALLS_FULL,
    ];
    let full: u64 = full.map(|index| kernel.maps.counter(index)).iter().sum();
    let sees = |signal| matches!(signal, Signal::DatagramsOut | Signal::Names);
    let hooks = kernel.verdicts.iter().map(|verdict| verdict.hook);
    let missed = hooks.filter(|hook| sees(hook.gives));
    full + missed.map(|hook| kernel.missed(hook)).sum::<u64>()
}

/// Programs whose questions could not be read, and that may not be known yet.
#[derive(Default)]
pub struct Unread(HashSet<u64>);

/// Programs that wait to be known. A question of one more is a loss.
const WAITING: usize = 4_096;

impl Unread {
    /// Takes further ones. Returns how many found no room.
    pub fn take(&mut self, programs: HashSet<u64>) -> u64 {
        let room = WAITING.saturating_sub(self.0.len());
        let further = programs.len().saturating_sub(room);
        self.0.extend(programs.into_iter().take(room));
        further as u64
    }

    /// Hands over the apps of those that are known by now.
    pub fn settle(&mut self, programs: &Programs, mut app: impl FnMut(u32)) {
        self.0.retain(|handle| match programs.find(*handle) {
            Some(known) => {
                app(known.identity);
                false
            }
            None => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(executable: &str) -> Program {
        Program {
            executable: Some(executable.to_owned()),
            ..Program::default()
        }
    }

    /// One that sees since `since_ns`, when nobody ran whose executable is another's than this test's.
    fn sight(since_ns: u64) -> Sight {
        Sight {
            elders: Elders::now(Path::new("/")),
            since_ns,
            is_on: true,
            ..Sight::blind()
        }
    }

    #[test]
    fn a_full_table_says_nothing_of_further_programs_and_keeps_what_it_has() {
        let mut sight = sight(0);
        let gone = |number: usize| (u32::MAX - number as u32, 1);
        // All within a second, or a second later once more.
        let mut asked = || {
            for (process, started_ns) in (0..PROGRAMS).map(gone) {
                assert!(sight.resolution(process, started_ns).is_some());
            }
            let (process, started_ns) = gone(PROGRAMS);
            let second = sight.second;
            let further = sight.resolution(process, started_ns).is_some();
            (sight.second == second).then_some((further, sight.resolutions.len()))
        };
        let found = asked().or_else(asked).expect("two ends of seconds");
        assert_eq!(found, (false, PROGRAMS));
    }

    #[test]
    fn an_app_is_seen_whole_where_all_of_its_programs_began_later() {
        let mut sight = sight(100);
        let mut check = |identity, started_ns, expected| {
            sight.meet(identity, Kind::Executable, &program("nobody's"), started_ns);
            assert_eq!(
                sight.is_whole(identity),
                expected,
                "{identity} {started_ns}"
            );
        };
        check(1, 101, true);
        check(1, 500, true);
        check(1, 100, false);
        check(1, 500, false);
        check(2, 100, false);
        assert!(!sight.is_whole(3), "nothing is known of it");
    }

    #[test]
    fn an_app_that_ran_before_or_whose_questions_cannot_be_read_is_not() {
        let mut sight = sight(100);
        let here = std::env::current_exe().expect("this program");
        let here = here.file_name().expect("its name").to_string_lossy();
        sight.meet(1, Kind::Executable, &program(&here), 500);
        assert!(!sight.is_whole(1));
        sight.meet(2, Kind::Executable, &program("nobody's"), 500);
        assert!(sight.is_whole(2));
        sight.lose(2);
        assert!(!sight.is_whole(2));
        // Whoever has its number then is another app.
        sight.give_up(&[2].into());
        sight.meet(2, Kind::Executable, &program("nobody's"), 500);
        assert!(sight.is_whole(2));
    }

    #[test]
    fn what_was_there_when_something_was_lost_is_not_seen_whole_any_more() {
        let mut sight = sight(100);
        sight.meet(1, Kind::Executable, &program("nobody's"), 500);
        sight.see(0);
        assert!(sight.is_whole(1));
        sight.see(1);
        assert!(!sight.is_whole(1));
        let later = since_boot_ns() + SECOND_NS;
        sight.meet(2, Kind::Executable, &program("nobody's"), later);
        sight.see(1);
        assert!(sight.is_whole(2));
    }

    #[test]
    fn a_program_that_is_not_known_waits() {
        let mut unread = Unread::default();
        assert_eq!(unread.take([7, 8].into()), 0);
        let mut programs = Programs::default();
        let known = Known {
            identity: 3,
            ..super::super::programs::NAMELESS
        };
        programs.insert(7, known);
        let mut apps = Vec::new();
        unread.settle(&programs, |app| apps.push(app));
        unread.settle(&programs, |app| apps.push(app));
        assert_eq!(apps, [3]);
        assert_eq!(unread.0, [8].into());
        assert_eq!(unread.take((100..100 + WAITING as u64).collect()), 1);
    }
}
