//! Which names were asked for since the last time, and by whom?

use std::{collections::HashSet, sync::Arc};

use tracer_common::NameEvent;

use super::within::Within;
use crate::model::Via;

/// Those that wait to be counted.
const COUNTED: usize = 65_536;
/// Programs whose questions could not be read, until they are handed over.
pub const UNREAD: usize = 4_096;

/// Somebody asked for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub process: u64,
    pub name: Arc<str>,
    pub via: Via,
}

#[derive(Default)]
pub struct Requests {
    waiting: Vec<Request>,
    within: Within,
    unread: HashSet<u64>,
    lost: u64,
}

impl Requests {
    /// A program asks. What a library asks, its program has asked the library, which counts when that has an answer.
    pub fn ask(&mut self, event: &NameEvent, name: &Arc<str>, via: Via) {
        if event.within_call == 0 {
            self.count(event.process, Arc::clone(name), via);
            return;
        }
        let who = (event.process, event.thread);
        self.lost += u64::from(!self.within.ask(who, name, via, event.at_ns));
    }

    /// A call of a C library has returned, which asked for that name, if it is one as it stands.
    pub fn returned(&mut self, event: &NameEvent, name: Option<&Arc<str>>) {
        let who = (event.process, event.thread);
        let (before, within) = self.within.returned(who, event.began_ns);
        for (name, via) in before {
            self.count(event.process, name, via);
        }
        if let Some(name) = name.cloned().or(within) {
            self.count(event.process, name, Via::Library);
        }
    }

    /// A program has ended: what its library asked for in calls that did not return counts now.
    pub fn end(&mut self, process: u64) {
        for (name, via) in self.within.ended(process) {
            self.count(process, name, via);
        }
    }

    fn count(&mut self, process: u64, name: Arc<str>, via: Via) {
        if self.waiting.len() < COUNTED {
            self.waiting.push(Request { process, name, via });
        } else {
            self.lost += 1;
        }
    }

    /// A program may have asked for what nobody can say.
    pub fn misread(&mut self, process: u64) {
        if self.unread.len() < UNREAD || self.unread.contains(&process) {
            self.unread.insert(process);
        } else {
            self.lost += 1;
        }
    }

    /// Those since the last time, as of `now_ns`.
    pub fn take(&mut self, now_ns: u64) -> Vec<Request> {
        for (process, (name, via)) in self.within.given_up(now_ns) {
            self.count(process, name, via);
        }
        std::mem::take(&mut self.waiting)
    }

    /// Programs whose questions could not be read since the last time.
    pub fn unread(&mut self) -> HashSet<u64> {
        std::mem::take(&mut self.unread)
    }

    /// How often there was no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}
