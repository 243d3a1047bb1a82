//! What has a C library asked DNS for within a call that has not returned?
//!
//! The call counts, by the name that the program asked for, when it returns. Where that is none as it stands (`bücher.example`, which the
//! library translates), it counts by the first name that the library asked for. What was asked in a call that never returns, since it was
//! left by a jump, was asked all the same.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::model::Via;

/// Questions that are remembered.
const QUESTIONS: usize = 16_384;
/// And those of one thread: two for each name that a library tries, to each server, twice.
const OF_A_THREAD: usize = 64;
/// Nanoseconds for which a return is waited for.
const PATIENCE_NS: u64 = 120 * 1_000_000_000;

/// Process and thread.
type Who = (u64, u32);
/// A name that was asked for, and of whom.
type Question = (Arc<str>, Via);

/// The questions of each thread that have not been counted, and their moments.
#[derive(Default)]
pub struct Within {
    questions: HashMap<Who, VecDeque<(Question, u64)>>,
    count: usize,
}

impl Within {
    /// A library asks. `false` where there is no room for it.
    pub fn ask(&mut self, who: Who, name: &Arc<str>, via: Via, at_ns: u64) -> bool {
        let asked = self.questions.get(&who).map_or(0, VecDeque::len);
        let has_room = self.count < QUESTIONS && asked < OF_A_THREAD;
        if has_room {
            let questions = self.questions.entry(who).or_default();
            questions.push_back(((Arc::clone(name), via), at_ns));
            self.count += 1;
        }
        has_room
    }

    /// A call has returned that was entered at `began_ns`: what was asked before it, and what was asked for first within it.
    pub fn returned(&mut self, who: Who, began_ns: u64) -> (Vec<Question>, Option<Arc<str>>) {
        let mut questions = self.questions.remove(&who).unwrap_or_default();
        self.count -= questions.len();
        let before = take(&mut questions, |at_ns| at_ns < began_ns);
        let first = questions.pop_front();
        (before, first.map(|((name, _), _)| name))
    }

    /// What was asked so long ago that no call returns for it, and by which process.
    pub fn given_up(&mut self, now_ns: u64) -> Vec<(u64, Question)> {
        let is_over = |at_ns: u64| at_ns.saturating_add(PATIENCE_NS) < now_ns;
        let mut over = Vec::new();
        self.questions.retain(|(process, _), questions| {
            let given_up = take(questions, is_over).into_iter();
            over.extend(given_up.map(|question| (*process, question)));
            !questions.is_empty()
        });
        self.count -= over.len();
        over
    }

    /// A program has ended: what it asked for in calls that did not return.
    pub fn ended(&mut self, process: u64) -> Vec<Question> {
        let mut names = Vec::new();
        self.questions.retain(|(of, _), questions| {
            let is_other = *of != process;
            if !is_other {
                names.extend(take(questions, |_| true));
            }
            is_other
        });
        self.count -= names.len();
        names
    }
}

/// Those at the front that are of such a moment.
fn take(questions: &mut VecDeque<(Question, u64)>, is_of: impl Fn(u64) -> bool) -> Vec<Question> {
    let count = questions.iter().take_while(|(_, at_ns)| is_of(*at_ns));
    let count = count.count();
    questions
        .drain(..count)
        .map(|(question, _)| question)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Arc<str> {
        text.into()
    }

    fn dns(text: &str) -> Question {
        (text.into(), Via::Dns)
    }

    #[test]
    fn a_call_is_the_first_that_was_asked_for_in_it() {
        let mut within = Within::default();
        assert!(within.ask((1, 1), &name("a.example"), Via::Dns, 5));
        assert!(within.ask((1, 1), &name("a.example.corp"), Via::Dns, 6));
        assert!(within.ask((1, 2), &name("b.example"), Via::Dns, 6));
        assert_eq!(
            within.returned((1, 1), 5),
            (vec![], Some(name("a.example")))
        );
        assert_eq!(within.returned((1, 1), 5), (vec![], None));
        // It began later.
        assert_eq!(within.returned((1, 2), 7), (vec![dns("b.example")], None));
        assert_eq!(within.count, 0);
    }

    #[test]
    fn what_no_call_returns_for_is_given_up_once() {
        let mut within = Within::default();
        within.ask((1, 1), &name("a.example"), Via::Dns, 5);
        within.ask((1, 1), &name("b.example"), Via::Dns, 6);
        assert_eq!(within.given_up(5 + PATIENCE_NS), []);
        assert_eq!(within.given_up(6 + PATIENCE_NS), [(1, dns("a.example"))]);
        assert_eq!(within.given_up(u64::MAX), [(1, dns("b.example"))]);
        within.ask((2, 2), &name("a.example"), Via::Dns, 5);
        within.ask((3, 2), &name("a.example"), Via::Dns, 5);
        assert_eq!(within.ended(2), [dns("a.example")]);
        assert_eq!(within.ended(2), []);
        assert_eq!(within.count, 1);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut within = Within::default();
        for number in 0..OF_A_THREAD {
            assert!(within.ask((1, 1), &name("a.example"), Via::Dns, number as u64));
        }
        assert!(!within.ask((1, 1), &name("a.example"), Via::Dns, 99));
        for thread in 0..(QUESTIONS - OF_A_THREAD) as u32 {
            assert!(within.ask((2, thread), &name("a.example"), Via::Dns, 5));
        }
        assert!(!within.ask((3, 1), &name("a.example"), Via::Dns, 5));
    }
}
