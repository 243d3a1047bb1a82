//! Which packages did the device have at a moment of the last minutes?
//!
//! A program is named a moment after its first contact. In between its package may have been removed, and its uid given to
//! another one.

use std::collections::VecDeque;

use super::packages::Packages;

/// Lists that are kept. A program is named within seconds; a device does not install more often.
const PAST: usize = 8;

/// Times of files are as coarse as the kernel's tick, and lie before the change: 10 ms at the most.
const TICK_NS: u64 = 10_000_000;

/// The list of now, and those before it.
#[derive(Default)]
pub struct History {
    now: Packages,
    /// With the nanosecond since boot at which each was replaced (a tick later at the most), in the order of time.
    past: VecDeque<(u64, Packages)>,
    /// They are not what they were when this was asked for last.
    has_changed: bool,
}

impl History {
    /// From `since_ns` (nanoseconds since boot) on it is these. The first list ever holds for the time before it too.
    pub fn replace(&mut self, packages: Packages, since_ns: u64, is_first: bool) {
        let before = std::mem::replace(&mut self.now, packages);
        self.has_changed |= before != self.now;
        if is_first {
            return;
        }
        // A file's time may be set by anybody; the order of the lists is known.
        let latest = self.past.back().map_or(0, |(until, _)| *until);
        self.past.push_back((since_ns.max(latest), before));
        if self.past.len() > PAST {
            self.past.pop_front();
        }
    }

    /// Those of a moment, in nanoseconds since boot; `None` is now. Where the clock of files cannot tell which of several
    /// held, it is the first that `has` the package, as Android ends a package's processes before it strikes it off the list,
    /// and starts none before it is on it.
    pub fn at(&self, moment_ns: Option<u64>, has: impl Fn(&Packages) -> bool) -> &Packages {
        let mut may = self.that_may_hold(moment_ns.unwrap_or(u64::MAX));
        let first = may.next().unwrap_or(&self.now);
        if has(first) {
            return first;
        }
        may.find(|packages| has(packages)).unwrap_or(first)
    }

    fn that_may_hold(&self, moment: u64) -> impl Iterator<Item = &Packages> {
        let is_over = |(until, _): &(u64, Packages)| until.saturating_add(TICK_NS) <= moment;
        let past = self.past.range(self.past.partition_point(is_over)..);
        // Each one that may be over is followed by one that may have begun.
        let may = past
            .clone()
            .take_while(move |(until, _)| *until <= moment)
            .count()
            + 1;
        past.map(|(_, packages)| packages)
            .chain([&self.now])
            .take(may)
    }

    /// Whether they have changed since this was asked for last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn check(history: &History, moment_ns: Option<u64>, expected: &str) {
        let moment = moment_ns.unwrap_or(u64::MAX);
        let found: Vec<_> = history.that_may_hold(moment).map(name).collect();
        assert_eq!(found.join(" "), expected, "{moment_ns:?}");
        // The first that has it, and the first of all where none has.
        for wanted in expected.split(' ') {
            let has = |packages: &Packages| name(packages) == wanted;
            assert_eq!(name(history.at(moment_ns, has)), wanted);
        }
        assert_eq!(name(history.at(moment_ns, |_| false)), found[0]);
    }

    fn name(packages: &Packages) -> String {
        packages
            .of(10_001)
            .next()
            .map_or_else(String::new, |package| package.name.to_string())
    }

    fn list(name: &str) -> Packages {
        Packages::parse(format!("{name} 10001\n").as_bytes())
    }

    #[test]
    fn each_moment_has_the_list_that_held_then() {
        let mut history = History::default();
        history.replace(list("one"), SECOND, true);
        history.replace(list("two"), 2 * SECOND, false);
        history.replace(list("three"), 3 * SECOND, false);
        check(&history, Some(1), "one");
        check(&history, Some(2 * SECOND - 1), "one");
        check(&history, Some(2 * SECOND), "one two");
        check(&history, Some(2 * SECOND + TICK_NS - 1), "one two");
        check(&history, Some(2 * SECOND + TICK_NS), "two");
        check(&history, Some(3 * SECOND - 1), "two");
        check(&history, Some(3 * SECOND + TICK_NS), "three");
        check(&history, None, "three");
    }

    #[test]
    fn two_lists_of_one_tick_may_both_hold() {
        let mut history = History::default();
        history.replace(list("one"), 0, true);
        history.replace(list("two"), SECOND, false);
        history.replace(list("three"), SECOND, false);
        check(&history, Some(SECOND - 1), "one");
        check(&history, Some(SECOND), "one two three");
    }

    #[test]
    fn a_time_that_goes_back_does_not_mix_them_up() {
        let mut history = History::default();
        history.replace(list("one"), 0, true);
        history.replace(list("two"), 5 * SECOND, false);
        history.replace(list("three"), SECOND, false);
        check(&history, Some(5 * SECOND - 1), "one");
        check(&history, Some(6 * SECOND), "three");
    }

    #[test]
    fn the_oldest_of_many_stands_for_all_before_it() {
        let mut history = History::default();
        for at in 0..=20_u64 {
            history.replace(list(&format!("p{at}")), at * SECOND, at == 0);
        }
        check(&history, Some(0), "p12");
        check(&history, None, "p20");
    }

    #[test]
    fn a_change_is_told_once_and_another_order_is_none() {
        let mut history = History::default();
        let mut change = |text: &str| {
            history.replace(Packages::parse(text.as_bytes()), 0, false);
            [history.take_changed(), history.take_changed()]
        };
        assert_eq!(change("a 10001\nb 10002\n"), [true, false]);
        assert_eq!(change("b 10002\na 10001 1\n"), [false, false]);
        assert_eq!(change("a 10001\nb 10003\n"), [true, false]);
        assert_eq!(change("a 10001 0 d s none 0 7\nb 10003\n"), [true, false]);
        assert_eq!(change("b 10003\n"), [true, false]);
        assert_eq!(change(""), [true, false]);
    }
}
