//! Programs that are gone: their last counters go to the ledger, their entries in the kernel are removed.
//!
//! An entry goes only when nothing can add to it any more: its process was found dead twice, a tick apart, and at two looks no
//! contact of its lived. So no contact loses its program.

use std::collections::{HashMap, HashSet};

use tracer_common::{Counts, DestinationKey};

use super::{Pipeline, programs::End};
use crate::decode;

impl Pipeline {
    /// One look at who is gone. Returns whether the kernel side's map of programs is filling up, so that the next look
    /// had better come soon.
    pub fn reap(&mut self) -> bool {
        self.follow_packages();
        self.drain();
        let flows = self.read_flows(None).map(drop);
        for ended in [self.end_attempts(), self.end_calls(), flows] {
            self.failed_reads += u64::from(ended.is_err());
        }
        let gone = self.gone();
        if !gone.is_empty() && self.retire(&gone).is_err() {
            self.failed_reads += 1;
        }
        self.programs.registered() > u64::from(self.kernel.maps.capacities.processes) / 4
    }

    /// Handles of programs that were dead at the last look and are dead now.
    fn gone(&mut self) -> HashSet<u64> {
        let older = &self.older;
        // Of two programs with one process number, only the one that started last can live; of two images of one
        // process, only the last.
        let mut last: HashMap<u32, (u64, u32)> = HashMap::new();
        for (_, known) in self.programs.all() {
            if let Some(key) = known.key {
                let now = (key.started_ns, key.image);
                let newest = last.entry(key.process).or_insert(now);
                *newest = now.max(*newest);
            }
        }
        let mut gone = HashSet::new();
        for (handle, known) in self.programs.all() {
            let dead = match known.key {
                Some(key) => {
                    known.is_past
                        || last.get(&key.process) != Some(&(key.started_ns, key.image))
                        || !is_alive(key.process)
                }
                None => !older.has(*handle),
            };
            if dead && known.end != End::Lives {
                gone.insert(*handle);
            }
            known.end = match (dead, known.end) {
                (false, _) => End::Lives,
                (true, End::Lives) => End::Dead,
                (true, end) => end,
            };
        }
        gone
    }

    /// Programs to which something can still be counted: those with a live contact, a socket, a listener or an attempt.
    fn owners(&mut self) -> std::io::Result<HashSet<u64>> {
        let mut owners = HashSet::new();
        self.kernel
            .sockets(|_, socket| _ = owners.insert(socket.owner))?;
        self.kernel
            .listeners(|_, listener| _ = owners.insert(listener.owner))?;
        self.kernel
            .attempts(|_, attempt| _ = owners.insert(attempt.destination.process))?;
        self.kernel
            .flows(|_, flow| _ = owners.insert(flow.destination.process))?;
        self.kernel
            .followed(|_, connection| _ = owners.insert(connection.destination.process))?;
        Ok(owners)
    }

    fn retire(&mut self, gone: &HashSet<u64>) -> std::io::Result<()> {
        let mut busy = self.owners()?;
        // What had ended before they were looked at.
        self.drain();
        // The record of a contact comes a moment after its entry goes: all of them are there at the next look.
        for (handle, known) in self.programs.all() {
            if !gone.contains(handle) {
                continue;
            }
            let end = if busy.contains(handle) {
                End::Dead
            } else {
                End::Idle
            };
            if known.end != End::Idle {
                busy.insert(*handle);
            }
            known.end = end;
        }
        let mut finished: Vec<(DestinationKey, Counts)> = Vec::new();
        self.kernel.destinations(|key, counts| {
            if gone.contains(&key.process) && !busy.contains(&key.process) {
                finished.push((*key, *counts));
            }
        })?;
        for handle in gone.difference(&busy) {
            if let Some(known) = self.programs.find(*handle) {
                self.book.retire_left(known, *handle);
            }
        }
        for (key, counts) in finished {
            if !self.retire_one(&key, &counts) {
                busy.insert(key.process);
            }
        }
        for handle in gone.difference(&busy) {
            self.book.naming.end_questions(*handle);
        }
        self.count_requests();
        for handle in gone.difference(&busy) {
            if let Some(key) = self.programs.find(*handle).and_then(|known| known.key) {
                // An entry that is not there any more is what is wanted.
                let _ = self.kernel.maps.processes.remove(&key);
                let _ = self.kernel.maps.facts.remove(handle);
            }
            self.programs.remove(*handle);
            self.book.naming.forget(*handle);
        }
        Ok(())
    }

    /// Whether its entry is gone. What could not be removed is read again next time, and must not be counted twice.
    fn retire_one(&mut self, key: &DestinationKey, counts: &Counts) -> bool {
        let Some(known) = self.programs.find(key.process) else {
            return false;
        };
        let maps = &mut self.kernel.maps;
        let map = if key.overflow != 0 {
            &mut maps.overflow
        } else {
            &mut maps.destinations
        };
        let is_removed = map.remove(key).is_ok();
        if is_removed {
            let mut totals = decode::totals(counts);
            self.book.naming.settle(key, &mut totals);
            self.book.retire(known, key, &totals);
        }
        is_removed
    }
}

/// Whether a process of that number lives (or waits for its parent to take notice of its end).
fn is_alive(process: u32) -> bool {
    // SAFETY: signal 0 is not delivered; it only asks.
    let result = unsafe { libc::kill(process.cast_signed(), 0) };
    result == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}
