//! Which names were asked for, and by which apps?

use super::{Pipeline, ended::PATIENCE, programs::NAMELESS};
use crate::name::Request;

/// Requests of programs that are not known yet.
const WAITING: usize = 65_536;

/// Those, and since when each waits.
#[derive(Default)]
pub struct Requests(Vec<(Request, u32)>);

impl Pipeline {
    /// Counts which names were asked for. A program that is not known yet is in a moment.
    pub(super) fn count_requests(&mut self) {
        let second = self.second;
        let new = self.book.naming.requests();
        let waiting = std::mem::take(&mut self.requests.0);
        let new = new.into_iter().map(|request| (request, second));
        for (request, since) in waiting.into_iter().chain(new) {
            let waits = second.wrapping_sub(since) < PATIENCE && self.requests.0.len() < WAITING;
            let identity = match self.programs.find(request.process) {
                Some(known) => known.identity,
                None if waits => {
                    self.requests.0.push((request, since));
                    continue;
                }
                None => NAMELESS.identity,
            };
            self.book.lookups.add(identity, &request.name, request.via);
        }
    }
}
