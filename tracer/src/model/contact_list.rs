//! Contacts as a reader gets them.

use std::sync::Arc;

use super::{Block, Contact, Kept};

/// The contacts of a snapshot: all that live, and the last that ended.
#[derive(Clone, Debug, Default)]
pub struct ContactList {
    /// In no order.
    pub live: Vec<Contact>,
    /// In the order in which they ended, the last one last, in blocks that successive snapshots share.
    pub blocks: Vec<Arc<Block>>,
    /// How many at the head of the first block are not kept any more.
    pub skipped: usize,
    /// How many ended ones were kept once and are not any more.
    pub forgotten: u64,
}

impl ContactList {
    /// Those that have ended and are kept, the last one last.
    pub fn ended(&self) -> impl Iterator<Item = Kept<'_>> {
        self.blocks
            .iter()
            .flat_map(|block| block.iter())
            .skip(self.skipped)
    }

    /// How many have ended and are kept.
    pub fn ended_count(&self) -> usize {
        let held: usize = self.blocks.iter().map(|block| block.len()).sum();
        held.saturating_sub(self.skipped)
    }
}
