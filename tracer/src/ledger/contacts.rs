//! Which contacts ended last?

use std::{collections::VecDeque, sync::Arc};

use crate::model::{Contact, ContactList};

/// How many ended contacts are kept: about 3 MB, and the last minutes of a busy machine.
pub const KEPT: usize = 10_000;

/// Contacts in a block: what a snapshot shares with the ledger. When a reader still holds the last block, this many
/// pointers are copied.
const BLOCK: usize = 512;

/// The contacts that ended last, each kept as it was when it ended.
pub struct Contacts {
    /// The last one last. All but the last block are full.
    blocks: VecDeque<Arc<Vec<Arc<Contact>>>>,
    /// How many at the head of the first block are forgotten.
    skipped: usize,
    count: usize,
    /// Most that are kept.
    maximum: usize,
    forgotten: u64,
}

impl Default for Contacts {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

impl Contacts {
    /// Keeps the last `maximum`, at least one.
    pub fn new(maximum: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            skipped: 0,
            count: 0,
            maximum: maximum.max(1),
            forgotten: 0,
        }
    }

    /// Takes a contact that has ended. Beyond the bound the one that ended first is forgotten.
    pub fn end(&mut self, contact: Arc<Contact>) {
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => Arc::make_mut(block).push(contact),
            _ => self.blocks.push_back(Arc::new(vec![contact])),
        }
        self.count += 1;
        if self.count > self.maximum {
            self.forget();
        }
    }

    /// The contacts at this moment: these, and `live`, which is all that live.
    pub fn list(&self, live: Vec<Contact>) -> ContactList {
        ContactList {
            live,
            blocks: self.blocks.iter().map(Arc::clone).collect(),
            skipped: self.skipped,
            forgotten: self.forgotten,
        }
    }

    fn forget(&mut self) {
        self.count -= 1;
        self.forgotten += 1;
        self.skipped += 1;
        if self.skipped == BLOCK {
            self.blocks.pop_front();
            self.skipped = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Direction, Protocol};

    fn contact(id: u64) -> Contact {
        Contact::new(id, Direction::Out, Protocol::Tcp)
    }

    fn end(contacts: &mut Contacts, ids: std::ops::Range<u64>) {
        for id in ids {
            contacts.end(Arc::new(contact(id)));
        }
    }

    /// After `ended` contacts the list holds those from `first` on.
    fn check(maximum: usize, ended: u64, first: u64) {
        let mut contacts = Contacts::new(maximum);
        end(&mut contacts, 0..ended);
        let list = contacts.list(Vec::new());
        let ids: Vec<u64> = list.ended().map(|contact| contact.id).collect();
        assert_eq!(
            ids,
            (first..ended).collect::<Vec<_>>(),
            "{maximum} of {ended}"
        );
        assert_eq!(list.ended_count(), ids.len());
        assert_eq!(list.forgotten, first);
        let held: usize = list.blocks.iter().map(|block| block.len()).sum();
        assert!(held < maximum.max(1) + BLOCK, "{held} are held");
    }

    #[test]
    fn the_last_that_ended_are_kept_and_the_others_are_counted() {
        check(KEPT, 0, 0);
        check(KEPT, 10_000, 0);
        check(KEPT, 10_001, 1);
        check(KEPT, 23_456, 13_456);
        check(BLOCK, 3 * BLOCK as u64, 2 * BLOCK as u64);
        check(3, 2_000, 1_997);
        check(0, 600, 599);
    }

    #[test]
    fn a_list_does_not_change_when_the_ledger_goes_on() {
        let mut contacts = Contacts::new(600);
        end(&mut contacts, 0..600);
        let before = contacts.list(Vec::new());
        end(&mut contacts, 600..2_000);
        let ids: Vec<u64> = before.ended().map(|contact| contact.id).collect();
        assert_eq!(ids, (0..600).collect::<Vec<_>>());
        assert_eq!(before.forgotten, 0);
    }

    #[test]
    fn successive_lists_share_what_did_not_change() {
        let mut contacts = Contacts::default();
        end(&mut contacts, 0..5_000);
        let before = contacts.list(Vec::new());
        end(&mut contacts, 5_000..5_001);
        let after = contacts.list(Vec::new());
        let shared = before
            .blocks
            .iter()
            .zip(&after.blocks)
            .filter(|(before, after)| Arc::ptr_eq(before, after))
            .count();
        assert_eq!(shared, before.blocks.len() - 1);
        let first_of_last = |list: &ContactList| {
            let last = list.blocks.last().expect("a block");
            Arc::as_ptr(&last[0])
        };
        assert_eq!(first_of_last(&before), first_of_last(&after));
    }

    #[test]
    fn what_lives_is_handed_through_and_not_kept() {
        let contacts = Contacts::default();
        assert_eq!(contacts.list(vec![contact(7)]).live, [contact(7)]);
        assert!(contacts.list(Vec::new()).live.is_empty());
    }
}
