//! The rows: one for each app at each destination, up to a bound for each app and one for all of them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    remembered::Remembered,
    silence::Silence,
    table::{Place, Table, sum},
};
use crate::model::{Row, Totals};

/// Most rows of all apps together. One takes 130 bytes here without its name, 150 more while something lives in it, and 100 more where it
/// changed while a reader still holds an earlier snapshot: so 35 to 100 MB. More contacts can live at once than have a row of their own
/// here; then those of apps that have been silent longest are in `~other`, which always finds room.
const MAXIMUM: usize = 262_144;

/// What part of them is folded at once: to find the app that has been silent longest takes a look at all.
const PART: usize = 16;

/// All rows.
pub struct Rows {
    table: Table,
    silence: Silence,
    /// Places that were folded although they had a row. They have none again: its counters would begin anew.
    folded: Remembered,
    apps: HashMap<u32, Arc<str>>,
    /// Destinations with a row of their own, by app: of contacts begun, and of contacts accepted. Apart, so that strangers
    /// who contact an app do not hide whom it contacts.
    own: HashMap<Arc<str>, [u32; 2]>,
    /// Most of each for one app.
    maximum: u32,
    /// Most of all.
    bound: usize,
    /// The last reading that came to its end.
    complete: u32,
    /// There was nothing to fold: how many places go without a look whether there is now.
    futile: usize,
    folded_now: u64,
    folded_retired: u64,
}

impl Rows {
    /// Rows with at most `maximum` destinations for each app; the rest of an app is folded.
    pub fn new(maximum: u32) -> Self {
        Self::bounded(maximum, MAXIMUM)
    }

    fn bounded(maximum: u32, bound: usize) -> Self {
        Self {
            table: Table::default(),
            silence: Silence::default(),
            folded: Remembered::default(),
            apps: HashMap::new(),
            own: HashMap::new(),
            maximum,
            bound,
            complete: 0,
            futile: 0,
            folded_now: 0,
            folded_retired: 0,
        }
    }

    /// Begins a reading: every row stands at what is retired.
    pub fn begin(&mut self) {
        self.table.begin();
        self.futile = 0;
        self.folded_now = 0;
    }

    /// Adds a counter of a program that lives.
    pub fn add(&mut self, app: &Arc<str>, place: Place, totals: &Totals) {
        let is_other = place.is_other();
        let (row, folded) = self.find_or_make(app, place);
        self.folded_now += u64::from(folded && totals.connections > 0);
        if folded || !is_other {
            self.table.beside_mut(row).added = self.table.reading();
        }
        sum(self.table.living(row), totals);
    }

    /// Adds the last counter of a program that is gone.
    pub fn retire(&mut self, app: &Arc<str>, place: Place, totals: &Totals) {
        self.silence.hear(place.identity);
        let (row, folded) = self.find_or_make(app, place);
        self.folded_retired += u64::from(folded && totals.connections > 0);
        self.table.retire(row, totals);
    }

    /// Ends a reading.
    pub fn finish(&mut self) -> Vec<Arc<Vec<Row>>> {
        let silence = &mut self.silence;
        self.table
            .show(|identity, totals| silence.look(identity, totals));
        self.silence.finish();
        self.complete = self.table.reading();
        self.table.blocks()
    }

    /// Destinations that were folded, once for each program that contacted them, and once where one lost its row.
    pub fn folded(&self) -> u64 {
        self.folded_retired + self.folded_now
    }

    /// Since when an app has been silent, as a number that only grows; 0 where it was never heard.
    pub fn silent_since(&self, identity: u32) -> u64 {
        self.silence.since(identity)
    }

    /// Adds all rows of some apps, of which no program lives, to those of `heir`. Their numbers may be given to others then.
    pub fn give_up(&mut self, identities: &HashSet<u32>, heir: u32) {
        for row in (0..self.table.len()).rev() {
            let place = self.table.place(row);
            if identities.contains(&place.identity) {
                let other = place.other();
                self.fold(
                    row,
                    Place {
                        identity: heir,
                        ..other
                    },
                );
            }
        }
        for identity in identities {
            self.silence.forget(*identity);
            self.apps.remove(identity);
        }
    }

    /// The row of a place, and whether the place was folded into it.
    fn find_or_make(&mut self, app: &Arc<str>, place: Place) -> (usize, bool) {
        if let Some(row) = self.table.find(&place) {
            return (row, false);
        }
        if place.is_other() {
            return (self.table.make(place), false);
        }
        if self.may_have_own(app, &place) {
            self.apps
                .entry(place.identity)
                .or_insert_with(|| Arc::clone(app));
            self.own.entry(Arc::clone(app)).or_default()[place.direction as usize] += 1;
            return (self.table.make(place), false);
        }
        (self.other(place.other()), true)
    }

    fn other(&mut self, place: Place) -> usize {
        let found = self.table.find(&place);
        found.unwrap_or_else(|| self.table.make(place))
    }

    fn may_have_own(&mut self, app: &Arc<str>, place: &Place) -> bool {
        let own = self
            .own
            .get(app)
            .map_or(0, |own| own[place.direction as usize]);
        own < self.maximum
            && self.is_open(place)
            && !self.folded.contains(&(app, place))
            && (self.table.len() < self.bound || self.make_room(place.identity))
    }

    /// Whether nothing that lives was folded where this place would be. It may be this one: `~other` would fall without it.
    fn is_open(&self, place: &Place) -> bool {
        let other = self.table.find(&place.clone().other());
        other.is_none_or(|other| self.is_still(other))
    }

    /// Folds rows of the apps that have been silent longest, though not those of `speaker`. Returns whether there is room now.
    fn make_room(&mut self, speaker: u32) -> bool {
        if self.futile > 0 {
            self.futile -= 1;
            return false;
        }
        let chosen = self.chosen(speaker);
        for row in (0..self.table.len()).rev() {
            let other = self.table.place(row).other();
            if self.is_foldable(row) && chosen.contains(&other) {
                self.fold(row, other);
            }
        }
        let has_room = self.table.len() < self.bound;
        if !has_room {
            self.futile = self.bound / PART;
        }
        has_room
    }

    /// The rows `~other` into which others had best be folded: of the apps that have been silent longest, as many as make room
    /// for some time.
    fn chosen(&self, speaker: u32) -> HashSet<Place> {
        let mut foldable: HashMap<Place, usize> = HashMap::new();
        for row in (0..self.table.len()).filter(|row| self.is_foldable(*row)) {
            *foldable.entry(self.table.place(row).other()).or_default() += 1;
        }
        let mut silent = Vec::new();
        for (other, count) in foldable {
            // A row that has to be made for them takes the room of one.
            let gain = count - usize::from(self.table.find(&other).is_none());
            if gain > 0 && other.identity != speaker {
                let since = self.silence.since(other.identity);
                silent.push((since, other.identity, other, gain));
            }
        }
        silent.sort_unstable_by_key(|(since, identity, ..)| (*since, *identity));
        let mut wanted = (self.bound / PART).max(1);
        let enough = silent.into_iter().map_while(|(_, _, other, gain)| {
            let is_wanted = wanted > 0;
            wanted = wanted.saturating_sub(gain);
            is_wanted.then_some(other)
        });
        enough.collect()
    }

    /// To fold a row to which something living adds would be exact as well, but it is not silent.
    fn is_foldable(&self, row: usize) -> bool {
        self.is_still(row) && !self.table.place(row).is_other()
    }

    /// Whether nothing that lives adds to a row, or is folded into it.
    fn is_still(&self, row: usize) -> bool {
        let added = self.table.beside(row).added;
        added == 0 || added < self.complete
    }

    /// Adds a row to the row of `to`, and takes it out.
    fn fold(&mut self, row: usize, to: Place) {
        let (row, retired, living) = self.table.remove(row);
        let place = Place::of(&row);
        if !place.is_other()
            && let Some(app) = self.apps.get(&place.identity)
        {
            self.folded.insert(&(app, &place));
            self.folded_retired += u64::from(retired.connections > 0);
            if let Some(own) = self.own.get_mut(app) {
                own[place.direction as usize] -= 1;
                if *own == [0, 0] {
                    self.own.remove(app);
                }
            }
        }
        let other = self.other(to);
        if living != Totals::default() {
            sum(self.table.living(other), &living);
        }
        // Whoever reads the two together has seen as much.
        self.table.take_over(other, &row.totals(), &retired);
    }
}

#[cfg(test)]
mod tests;
