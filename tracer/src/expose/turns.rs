//! One reading for all scrapes that wait for their turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::Snapshot;

/// Scrapes that wait, and the last snapshot while there are any. No longer: to hold it makes the next reading a copy.
#[derive(Default)]
pub struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: usize,
    /// Readings asked for, and the last one that came.
    asked: u64,
    last: Option<(u64, Arc<Snapshot>)>,
}

/// A scrape that waits for its turn.
pub struct Turn<'turns> {
    turns: &'turns Turns,
    /// Readings that were asked for before it came.
    before: u64,
}

impl Turns {
    /// A scrape comes.
    pub fn come(&self) -> Turn<'_> {
        let mut state = self.state();
        state.waiting += 1;
        Turn {
            turns: self,
            before: state.asked,
        }
    }

    /// A reading is asked for; returns which one it is.
    pub fn ask(&self) -> u64 {
        let mut state = self.state();
        state.asked += 1;
        state.asked
    }

    /// That reading has come: whoever waits already may have it too.
    pub fn read(&self, reading: u64, snapshot: &Arc<Snapshot>) {
        let mut state = self.state();
        let is_later = state.last.as_ref().is_none_or(|(last, _)| *last < reading);
        if state.waiting > 0 && is_later {
            state.last = Some((reading, Arc::clone(snapshot)));
        }
    }

    /// Nobody panics while holding it, and half a change would do no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// It is its turn: a snapshot that was asked for after it came, where there is one.
    pub fn take(self) -> Option<Arc<Snapshot>> {
        let state = self.turns.state();
        let last = state.last.as_ref();
        let fresh = last.filter(|(reading, _)| *reading > self.before);
        fresh.map(|(_, snapshot)| Arc::clone(snapshot))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.waiting -= 1;
        if state.waiting == 0 {
            state.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_gets_a_reading_that_was_asked_for_after_it_came() {
        let turns = Turns::default();
        let early = turns.come();
        let reading = turns.ask();
        let late = turns.come();
        turns.read(reading, &Arc::default());
        assert!(early.take().is_some());
        assert!(late.take().is_none());
    }

    #[test]
    fn no_snapshot_is_held_when_nobody_waits() {
        let (turns, snapshot) = (Turns::default(), Arc::default());
        turns.read(turns.ask(), &snapshot);
        let (one, other) = (turns.come(), turns.come());
        turns.read(turns.ask(), &snapshot);
        assert_eq!(Arc::strong_count(&snapshot), 2);
        drop(one.take());
        assert_eq!(Arc::strong_count(&snapshot), 2);
        drop(other);
        assert_eq!(Arc::strong_count(&snapshot), 1);
    }
}
