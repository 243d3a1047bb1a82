//! Which questions wait for an answer? An answer counts only for who asked for it: over the same socket, from whom was asked, under the same
//! number, for the same name.

use std::collections::{HashMap, VecDeque};

use tracer_common::Address;

use super::dns::Question;

/// Questions of one program that wait.
const OF_A_PROGRAM: usize = 1_024;
/// Of all of them.
const OF_ALL: usize = 65_536;
/// Of those that anybody may answer.
const TO_ALL: usize = 256;
/// Nanoseconds for which one waits.
const PATIENCE_NS: u64 = 30 * 1_000_000_000;

/// What an answer must have in common with its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub socket: u64,
    /// Whom the question went to; that of no host where anybody may answer (multicast).
    pub address: Address,
    pub port: u16,
    pub id: u16,
}

/// A question, and who asked it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub question: Question,
    pub process: u64,
    pub thread: u32,
    pub at_ns: u64,
}

#[derive(Default)]
pub struct Questions {
    waiting: HashMap<Place, Asked>,
    order: VecDeque<(Place, u64)>,
    /// Those that anybody may answer, the last ones first: each announcement is held against them.
    to_all: VecDeque<Place>,
    of_programs: HashMap<u64, usize>,
}

impl Questions {
    /// Notes a question. `false` where there was no room for it.
    pub fn ask(&mut self, place: Place, asked: Asked) -> bool {
        self.give_up(asked.at_ns);
        let is_again = self.waiting.contains_key(&place);
        let of_program = self.of_programs.get(&asked.process).copied().unwrap_or(0);
        if !is_again && (of_program >= OF_A_PROGRAM || self.waiting.len() >= OF_ALL) {
            return false;
        }
        self.take(&place);
        *self.of_programs.entry(asked.process).or_default() += 1;
        self.order.push_back((place, asked.at_ns));
        if place.address == Address::ANY {
            self.to_all.retain(|other| *other != place);
            self.to_all.truncate(TO_ALL - 1);
            self.to_all.push_front(place);
        }
        self.waiting.insert(place, asked);
        true
    }

    /// The question that an answer is to, which is over then.
    pub fn answer(&mut self, place: &Place, question: &Question) -> Option<Asked> {
        let asked = self.waiting.get(place)?;
        let fits = asked.question.name == question.name && asked.question.kind == question.kind;
        fits.then(|| self.take(place)).flatten()
    }

    /// Who asked for a name that somebody answers to all, over that socket.
    pub fn asked_all(&self, socket: u64, name: &str) -> Option<&Asked> {
        let places = self.to_all.iter().filter(|place| place.socket == socket);
        places
            .filter_map(|place| self.waiting.get(place))
            .find(|asked| asked.question.name == name)
    }

    fn take(&mut self, place: &Place) -> Option<Asked> {
        let asked = self.waiting.remove(place)?;
        if let Some(count) = self.of_programs.get_mut(&asked.process) {
            *count -= 1;
            if *count == 0 {
                self.of_programs.remove(&asked.process);
            }
        }
        Some(asked)
    }

    /// Nobody answers any more what was asked that long before.
    fn give_up(&mut self, now_ns: u64) {
        while let Some((place, at_ns)) = self.order.front().copied() {
            // One that was answered, or asked again since, is in the order all the same.
            let asked_ns = self.waiting.get(&place).map(|asked| asked.at_ns);
            let is_over = asked_ns != Some(at_ns) || at_ns.saturating_add(PATIENCE_NS) < now_ns;
            if !is_over {
                break;
            }
            self.order.pop_front();
            if asked_ns == Some(at_ns) {
                self.take(&place);
            }
        }
        if self.order.len() > 2 * OF_ALL {
            let waiting = &self.waiting;
            self.order.retain(|(place, at_ns)| {
                waiting
                    .get(place)
                    .is_some_and(|asked| asked.at_ns == *at_ns)
            });
        }
    }
}
