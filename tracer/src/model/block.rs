//! Ended contacts, packed: what many share is there once.

use std::{net::IpAddr, sync::Arc};

use super::{
    Contact, Destination, Detail, Direction, Identity, Name, Naming, Owner, Program,
    packed::{self, Packed},
};

/// Contacts that ended one after the other, at most [`Block::ROOM`].
///
/// It has all that belongs to them: with it goes whatever no other block and nobody else refers to.
#[derive(Debug)]
pub struct Block {
    /// In the order in which they ended.
    contacts: Vec<Packed>,
    whos: Vec<Who>,
    whoms: Vec<Whom>,
}

/// Who made a contact, and from where: a program has few of these, whatever it does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Who {
    // What is compared fastest comes first: it is looked for with each contact that ends.
    local: Option<IpAddr>,
    namespace: Option<u32>,
    program: Option<Arc<Program>>,
    identity: Option<Arc<Identity>>,
}

/// What is known of the destination beyond addresses and ports: mostly nothing, and then all share that.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Whom {
    name: Option<Name>,
    naming: Option<Arc<Naming>>,
    owner: Option<Owner>,
    detail: Option<Box<Detail>>,
    /// The destination, where it is another one than [`usual`].
    destination: Option<Destination>,
}

/// The destination that follows from the two ends of almost every contact.
fn usual(contact: &Contact) -> Destination {
    let Some(address) = contact.remote.address else {
        return Destination::Unknown;
    };
    let port = match contact.direction {
        Direction::Out => contact.remote.port,
        Direction::In => contact.local.port,
    };
    Destination::Address {
        address,
        // A protocol without ports is summed under port 0.
        port: port.unwrap_or(0),
    }
}

impl Block {
    /// Contacts in a block: what a snapshot shares with the ledger. Few enough that copying a block costs nothing when a reader
    /// still holds the last one, and that nothing stays long behind the last contact that needs it; enough that many share.
    pub const ROOM: usize = 512;

    /// What a full one takes at most, in bytes: as if no two contacts had anything in common.
    pub const BYTES: usize = size_of::<[usize; 2]>()
        + size_of::<Self>()
        + Self::ROOM * (packed::BYTES + size_of::<Who>() + size_of::<Whom>());

    pub fn new() -> Self {
        Self {
            contacts: Vec::with_capacity(Self::ROOM),
            whos: Vec::new(),
            whoms: Vec::new(),
        }
    }

    /// The same memory, with nothing in it.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.contacts.clear();
        self.whos.clear();
        self.whoms.clear();
        self
    }

    pub fn len(&self) -> usize {
        self.contacts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.contacts.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.len() >= Self::ROOM
    }

    /// Takes one more. There must be room.
    pub fn push(&mut self, contact: Contact) {
        assert!(!self.is_full(), "a block has no room for another contact");
        let usual = usual(&contact);
        let mut packed = Packed::new(&contact, 0, 0);
        // No `..`: a field that comes is not forgotten here.
        let Contact {
            identity,
            program,
            destination,
            name,
            naming,
            owner,
            detail,
            local,
            namespace,
            bypass: _,
            id: _,
            remote: _,
            direction: _,
            protocol: _,
            began: _,
            established: _,
            ended: _,
            outcome: _,
            sent: _,
            received: _,
        } = contact;
        let who = Who {
            local: local.address,
            namespace,
            program,
            identity,
        };
        packed.who = index(&mut self.whos, who);
        let destination = (destination != usual).then_some(destination);
        let whom = Whom {
            name,
            naming,
            owner,
            detail,
            destination,
        };
        packed.whom = match whom.naming {
            // No other one has that: the moment at which a name was said is in it.
            Some(_) => add(&mut self.whoms, whom),
            None => index(&mut self.whoms, whom),
        };
        self.contacts.push(packed);
    }

    /// In the order in which they ended.
    pub fn iter(&self) -> impl Iterator<Item = Kept<'_>> {
        self.contacts.iter().map(|packed| Kept {
            block: self,
            packed,
        })
    }
}

/// The place of `row`, which is added where it is not there.
fn index<T: PartialEq>(rows: &mut Vec<T>, row: T) -> u16 {
    // Who came last comes again soonest.
    let known = rows.iter().rposition(|known| *known == row);
    known.map_or_else(|| add(rows, row), |known| known as u16)
}

/// The place of `row`, which is added.
fn add<T>(rows: &mut Vec<T>, row: T) -> u16 {
    rows.push(row);
    (rows.len() - 1) as u16
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Block {
    fn clone(&self) -> Self {
        Self {
            contacts: copy(&self.contacts),
            whos: copy(&self.whos),
            whoms: copy(&self.whoms),
        }
    }
}

/// With the room of the original. A plain clone has none left, and doubles it with the next row: to more than a block may take.
fn copy<T: Clone>(rows: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(rows.capacity());
    copy.extend_from_slice(rows);
    copy
}

impl FromIterator<Contact> for Block {
    fn from_iter<I: IntoIterator<Item = Contact>>(contacts: I) -> Self {
        let mut block = Self::new();
        contacts.into_iter().for_each(|contact| block.push(contact));
        block
    }
}

/// An ended contact as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    block: &'a Block,
    packed: &'a Packed,
}

impl Kept<'_> {
    pub fn id(&self) -> u64 {
        self.packed.id()
    }

    pub fn began(&self) -> Option<u64> {
        self.packed.began()
    }

    /// The contact, as it was when it was taken.
    pub fn contact(&self) -> Contact {
        let who = &self.block.whos[usize::from(self.packed.who)];
        let whom = &self.block.whoms[usize::from(self.packed.whom)];
        let mut contact = self.packed.numbers();
        contact.program.clone_from(&who.program);
        contact.identity.clone_from(&who.identity);
        contact.namespace = who.namespace;
        contact.local.address = who.local;
        contact.name.clone_from(&whom.name);
        contact.naming.clone_from(&whom.naming);
        contact.owner = whom.owner;
        contact.detail.clone_from(&whom.detail);
        contact.destination = match &whom.destination {
            Some(destination) => destination.clone(),
            None => usual(&contact),
        };
        contact
    }
}

#[cfg(test)]
mod tests;
