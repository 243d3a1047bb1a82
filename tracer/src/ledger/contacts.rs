//! Which contacts ended last?

use std::{collections::VecDeque, sync::Arc};

use crate::model::{Block, Contact, ContactList};

/// How many ended contacts are kept: the last minutes of a busy machine.
pub const KEPT: usize = 10_000;

/// What they may take, in bytes, whatever they are: about half of it where they are of some dozens of programs. What names a program
/// is not in it: others refer to that too, and it goes with the last one.
pub const BYTES: usize = 3_000_000;

const _: () = assert!(MOST_BLOCKS * Block::BYTES <= BYTES);

/// The first one may have only one contact left that is kept, and the last one only one yet.
const MOST_BLOCKS: usize = (KEPT + Block::ROOM).div_ceil(Block::ROOM);

/// The contacts that ended last, each kept as it was when it ended.
pub struct Contacts {
    /// The last one last. All but the last block are full.
    blocks: VecDeque<Arc<Block>>,
    /// The memory of the block that went last, for the next one: given back, small things would settle in it, and the next block
    /// would take further memory.
    spare: Option<Block>,
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
            spare: None,
            skipped: 0,
            count: 0,
            maximum: maximum.max(1),
            forgotten: 0,
        }
    }

    /// Takes a contact that has ended. Beyond the bound the one that ended first is forgotten.
    pub fn end(&mut self, contact: Contact) {
        match self.blocks.back_mut() {
            // A copy, where a reader still holds it.
            Some(block) if !block.is_full() => Arc::make_mut(block).push(contact),
            _ => {
                let mut block = self.spare.take().unwrap_or_default();
                block.push(contact);
                self.blocks.push_back(Arc::new(block));
            }
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
        if self.skipped == Block::ROOM {
            // Not where a reader still holds it.
            let first = self.blocks.pop_front().and_then(Arc::into_inner);
            self.spare = first.map(Block::emptied);
            self.skipped = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Direction, Program, Protocol};

    fn contact(id: u64) -> Contact {
        Contact::new(id, Direction::Out, Protocol::Tcp)
    }

    fn end(contacts: &mut Contacts, ids: std::ops::Range<u64>) {
        for id in ids {
            contacts.end(contact(id));
        }
    }

    /// After `ended` contacts the list holds those from `first` on.
    fn check(maximum: usize, ended: u64, first: u64) {
        let mut contacts = Contacts::new(maximum);
        end(&mut contacts, 0..ended);
        let list = contacts.list(Vec::new());
        let ids: Vec<u64> = list.ended().map(|kept| kept.id()).collect();
        assert_eq!(
            ids,
            (first..ended).collect::<Vec<_>>(),
            "{maximum} of {ended}"
        );
        assert_eq!(list.ended_count(), ids.len());
        assert_eq!(list.forgotten, first);
        let held: usize = list.blocks.iter().map(|block| block.len()).sum();
        assert!(held < maximum.max(1) + Block::ROOM, "{held} are held");
        let blocks = list.blocks.len() + usize::from(contacts.spare.is_some());
        assert!(blocks <= MOST_BLOCKS, "{blocks} blocks");
    }

    #[test]
    fn the_last_that_ended_are_kept_and_the_others_are_counted() {
        check(KEPT, 0, 0);
        check(KEPT, 10_000, 0);
        check(KEPT, 10_001, 1);
        check(KEPT, 23_456, 13_456);
        check(512, 3 * 512, 2 * 512);
        check(3, 2_000, 1_997);
        check(0, 600, 599);
    }

    #[test]
    fn a_list_does_not_change_when_the_ledger_goes_on() {
        let mut contacts = Contacts::new(600);
        end(&mut contacts, 0..600);
        let before = contacts.list(Vec::new());
        end(&mut contacts, 600..2_000);
        let ids: Vec<u64> = before.ended().map(|kept| kept.id()).collect();
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
    }

    #[test]
    fn what_no_kept_contact_refers_to_goes() {
        let mut contacts = Contacts::new(1_000);
        let mut read = ContactList::default();
        let mut programs = Vec::new();
        for id in 0..20_000_u32 {
            let program = Arc::new(Program {
                process: Some(id),
                ..Program::default()
            });
            programs.push(Arc::downgrade(&program));
            contacts.end(Contact {
                program: Some(program),
                ..contact(id.into())
            });
            // A reader holds what it got for a while; later on nobody reads, and blocks are used again.
            if id < 10_000 && id % 100 == 0 {
                read = contacts.list(Vec::new());
            }
        }
        drop(read);
        let lives: Vec<bool> = programs
            .iter()
            .map(|weak| weak.strong_count() > 0)
            .collect();
        // All of the 37 blocks before this one are forgotten.
        let expected: Vec<bool> = (0..20_000).map(|id| id >= 18_944).collect();
        assert_eq!(lives, expected);
    }

    #[test]
    fn what_lives_is_handed_through_and_not_kept() {
        let contacts = Contacts::default();
        assert_eq!(contacts.list(vec![contact(7)]).live, [contact(7)]);
        assert!(contacts.list(Vec::new()).live.is_empty());
    }
}
