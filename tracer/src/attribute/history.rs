//! Which packages did the device have at a moment of the last minutes?
//!
//! A program is named a moment after its first contact. In between its package may have been removed, and its uid given to
//! another one.

use std::collections::VecDeque;

use super::packages::Packages;

/// Lists that are kept. A program is named within seconds; a device does not install more often.
const PAST: usize = 8;

/// The list of now, and those before it.
#[derive(Default)]
pub struct History {
    now: Packages,
    /// With the nanosecond since boot at which each was replaced, in the order of time.
    past: VecDeque<(u64, Packages)>,
}

impl History {
    /// From `since_ns` (nanoseconds since boot) on it is these. The first list ever holds for the time before it too.
    pub fn replace(&mut self, packages: Packages, since_ns: u64, is_first: bool) {
        let before = std::mem::replace(&mut self.now, packages);
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

    /// Those of a moment, in nanoseconds since boot; `None` is now.
    pub fn at(&self, moment_ns: Option<u64>) -> &Packages {
        let Some(moment) = moment_ns else {
            return &self.now;
        };
        let then = self.past.iter().find(|(until, _)| moment < *until);
        then.map_or(&self.now, |(_, packages)| packages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(history: &History, moment_ns: Option<u64>, expected: &str) {
        let found = history.at(moment_ns).of(10_001).next();
        let name = found.map(|package| package.name.to_string());
        assert_eq!(name.as_deref(), Some(expected), "{moment_ns:?}");
    }

    fn list(name: &str) -> Packages {
        Packages::parse(format!("{name} 10001\n").as_bytes())
    }

    #[test]
    fn each_moment_has_the_list_that_held_then() {
        let mut history = History::default();
        history.replace(list("one"), 100, true);
        history.replace(list("two"), 200, false);
        history.replace(list("three"), 300, false);
        check(&history, Some(1), "one");
        check(&history, Some(199), "one");
        check(&history, Some(200), "two");
        check(&history, Some(299), "two");
        check(&history, Some(300), "three");
        check(&history, None, "three");
    }

    #[test]
    fn a_time_that_goes_back_does_not_mix_them_up() {
        let mut history = History::default();
        history.replace(list("one"), 0, true);
        history.replace(list("two"), 500, false);
        history.replace(list("three"), 100, false);
        check(&history, Some(499), "one");
        check(&history, Some(500), "three");
    }

    #[test]
    fn the_oldest_of_many_stands_for_all_before_it() {
        let mut history = History::default();
        for at in 0..=20_u64 {
            history.replace(list(&format!("p{at}")), at * 10, at == 0);
        }
        check(&history, Some(0), "p12");
        check(&history, None, "p20");
    }
}
