//! What is kept of a row that no reader sees?

use crate::model::{Sums, Totals};

#[derive(Default)]
pub struct Beside {
    /// What has ended, and what programs that are gone have left. `None` where that is all that the row shows, as of most rows.
    retired: Option<Box<Sums>>,
    /// Where what lives in the reading `read` is.
    lives: u32,
    read: u32,
    /// The last reading in which a program that lives had a counter here, in `~other` one that was folded; 0 for none.
    pub added: u32,
}

impl Beside {
    /// What has ended of a row that shows this.
    pub fn retired(&self, shown: &Sums) -> Totals {
        self.retired.as_deref().unwrap_or(shown).totals()
    }

    /// Whether all that the row shows has ended.
    pub fn is_all(&self) -> bool {
        self.retired.is_none()
    }

    /// What has ended, kept apart from what the row shows: one of both changes.
    pub fn apart(&mut self, shown: &Sums) -> &mut Sums {
        self.retired.get_or_insert_with(|| Box::new(shown.clone()))
    }

    /// All that the row shows has ended.
    pub fn join(&mut self) {
        self.retired = None;
    }

    /// Where what lives in a reading is, if something does.
    pub fn lives_in(&self, reading: u32) -> Option<usize> {
        (self.read == reading).then_some(self.lives as usize)
    }

    /// Something lives in this reading.
    pub fn live_at(&mut self, reading: u32, place: usize) {
        self.read = reading;
        self.lives = place as u32;
    }
}
