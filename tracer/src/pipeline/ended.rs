//! Contacts that have ended: each is booked once, for good.

use std::sync::Arc;

use tracer_common::{
    Record,
    map::{DIRECTION_OUT, PROTOCOL_TCP},
    record::{LATE, NO_CONTACT},
};

use super::{
    Pipeline,
    live::Live,
    naming::Ended,
    programs::{Known, NAMELESS},
};
use crate::{decode, ledger::Place, model::Id};

/// Contacts that may wait for their program to get a name. A phone has nowhere near as many in the two seconds that it takes.
const WAITING: usize = 65_536;
/// Seconds that they wait, and no longer.
pub const PATIENCE: u32 = 4;

/// Ended contacts of programs that have no name yet, and the second in which each came.
#[derive(Default)]
pub struct Waiting(Vec<(Record, u32)>);

impl Pipeline {
    /// Books what has ended.
    pub fn drain(&mut self) {
        self.drain_beside(&mut Live::default());
    }

    /// As [`Self::drain`]; each that is booked is taken out of those that were live a moment ago.
    pub(super) fn drain_beside(&mut self, live: &mut Live) {
        self.learn();
        self.book.details.refresh(&mut self.kernel);
        let mut waiting = std::mem::take(&mut self.waiting.0);
        let second = self.second;
        let Self {
            kernel,
            programs,
            older,
            book,
            ..
        } = self;
        let own = kernel.own_handle;
        let mut ended = Vec::new();
        kernel.records(|record| {
            if record.destination.process != own {
                older.end(record);
                live.remove(&Id::of_record(record));
                ended.push(*record);
            }
        });
        // All that was heard of those that have ended is there by now.
        book.listen(kernel);
        book.unread
            .settle(programs, |identity| book.sight.lose(identity));
        for record in ended {
            match programs.find(record.destination.process) {
                Some(known) => book.end(known, &record),
                None => waiting.push((record, second)),
            }
        }
        self.count_requests();
        self.forget_unheard();
        if waiting.is_empty() {
            return;
        }
        // Programs that came while the ring buffer was being read.
        self.learn();
        for (record, since) in waiting {
            let handle = record.destination.process;
            if let Some(known) = self.programs.find(handle) {
                self.book.end(known, &record);
            } else if second.wrapping_sub(since) < PATIENCE && self.waiting.0.len() < WAITING {
                self.waiting.0.push((record, since));
            } else {
                self.lost_records += 1;
                self.book.end(&NAMELESS, &record);
            }
        }
    }
}

impl super::Book {
    /// One contact, or what passed over a part of one.
    pub(super) fn end(&mut self, known: &Known, record: &Record) {
        let totals = decode::ended(record);
        let Ended {
            name,
            naming,
            is_told,
            bypass,
            is_behind,
        } = self.naming.end(record);
        let bypass = if is_told {
            bypass
        } else {
            self.contacted(name.as_ref(), &record.destination);
            self.judge(known, record, name.as_ref(), is_behind)
        };
        let place = match &name {
            Some(name) => self.place_of_name(known, &record.destination, name.clone()),
            None => self.place(known, &record.destination),
        };
        let company = place.company;
        self.retire_at(known, place, &totals);
        self.keep(known, record, (name, naming, bypass));
        let is_begun = record.destination.direction == DIRECTION_OUT
            && record.destination.protocol == PROTOCOL_TCP
            && record.flags & (NO_CONTACT | LATE) == 0;
        if !is_begun || record.established_ns == 0 {
            return;
        }
        if !self.observed.remove(&Id::of_record(record)) {
            self.durations.connect(
                known.identity,
                company,
                record.established_ns.saturating_sub(record.began_ns),
            );
        }
        self.durations.connection(
            known.identity,
            record.ended_ns.saturating_sub(record.established_ns),
        );
    }

    /// Numbers of a program at a destination that will not be read again.
    pub(super) fn retire(
        &mut self,
        known: &Known,
        key: &tracer_common::DestinationKey,
        totals: &crate::model::Totals,
    ) {
        let place = self.place(known, key);
        self.retire_at(known, place, totals);
    }

    pub(super) fn retire_at(&mut self, known: &Known, place: Place, totals: &crate::model::Totals) {
        if let Some(reason) = known.unattributed {
            self.unattributed.retired[reason as usize] += totals.connections;
        }
        let app = Arc::clone(self.identities.app(known.identity));
        self.rows.retire(&app, place, totals);
    }
}
