//! Every app that was seen, by a number.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::remembered::Remembered;
use crate::model::{Identity, Kind};

/// Most identities that get a name of their own. A program that renames itself without end must not fill the memory; a
/// phone has some hundred apps, a large server some thousand services and containers.
const MAXIMUM: usize = 16_384;

/// The app of those that found no room, and of those that gave up theirs.
const OTHER: &str = "~other";

/// Numbers for apps, from 1 up. An app keeps its number until there is no room for another one: then one that has been silent
/// for long gives it up, and is `~other` from then on. Under its own name its counters would begin anew.
///
/// Rows are told apart by app and user. Identities that differ in the rest only (a package that was updated, a container
/// and a program of one name) share a number, and each stands in the list for `tracer_app_info`.
pub struct Identities {
    all: Arc<Vec<Identity>>,
    known: HashSet<Identity>,
    numbers: HashMap<Labels, u32>,
    /// Numbers that were given up.
    vacant: Vec<u32>,
    /// Who gave them up.
    gone: Remembered,
    /// Programs that have no identity of their own: they found no room, or theirs was given up.
    pub folded: u64,
}

/// App and user.
type Labels = (Arc<str>, Arc<str>);

impl Default for Identities {
    fn default() -> Self {
        Self {
            all: Arc::new(vec![named("")]),
            known: HashSet::new(),
            numbers: HashMap::new(),
            vacant: Vec::new(),
            gone: Remembered::default(),
            folded: 0,
        }
    }
}

impl Identities {
    /// The number of `identity`.
    pub fn number(&mut self, identity: &Identity) -> u32 {
        let labels = labels(identity);
        if self.known.contains(identity)
            && let Some(number) = self.numbers.get(&labels)
        {
            return *number;
        }
        if !self.has_room(&labels) {
            // One that has rows keeps them; only its further description finds no room.
            if let Some(number) = self.numbers.get(&labels) {
                return *number;
            }
            self.folded += 1;
            return self.other();
        }
        let index = self.vacant.pop().unwrap_or(self.all.len() as u32);
        let number = *self.numbers.entry(labels).or_insert(index);
        self.known.insert(identity.clone());
        let all = Arc::make_mut(&mut self.all);
        match all.get_mut(index as usize) {
            Some(vacant) => *vacant = identity.clone(),
            None => all.push(identity.clone()),
        }
        number
    }

    fn has_room(&self, labels: &Labels) -> bool {
        &*labels.0 == OTHER
            || !(self.vacant.is_empty() && self.all.len() >= MAXIMUM || self.gone.contains(labels))
    }

    /// Whether somebody has to give up a number before this one gets one.
    pub fn is_full_for(&self, identity: &Identity) -> bool {
        let labels = labels(identity);
        self.vacant.is_empty()
            && self.all.len() >= MAXIMUM
            && !self.numbers.contains_key(&labels)
            && !self.gone.contains(&labels)
    }

    /// The number of the app of those that have none.
    pub fn other(&mut self) -> u32 {
        self.number(&named(OTHER))
    }

    /// All numbers that may be given up.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let own = self
            .numbers
            .iter()
            .filter(|(labels, _)| &*labels.0 != OTHER);
        own.map(|(_, number)| *number)
    }

    /// Forgets who has these numbers.
    pub fn give_up(&mut self, numbers: &HashSet<u32>) {
        let mut gone = HashSet::new();
        self.numbers.retain(|labels, number| {
            let stays = !numbers.contains(number);
            if !stays {
                self.gone.insert(labels);
                gone.insert(labels.clone());
            }
            stays
        });
        for (number, identity) in Arc::make_mut(&mut self.all).iter_mut().enumerate() {
            if gone.contains(&labels(identity)) {
                self.known.remove(identity);
                *identity = named("");
                self.vacant.push(number as u32);
            }
        }
    }

    /// The app of a number.
    pub fn app(&self, number: u32) -> &Arc<str> {
        &self.all[number as usize].app
    }

    pub fn all(&self) -> Arc<Vec<Identity>> {
        Arc::clone(&self.all)
    }
}

fn labels(identity: &Identity) -> Labels {
    (Arc::clone(&identity.app), Arc::clone(&identity.user))
}

fn named(app: &str) -> Identity {
    Identity {
        app: app.into(),
        user: "".into(),
        uid: 0,
        kind: Kind::Executable,
        version: "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_identity_keeps_its_number() {
        let mut identities = Identities::default();
        let curl = identities.number(&named("curl"));
        assert_eq!(identities.number(&named("wget")), curl + 1);
        assert_eq!(identities.number(&named("curl")), curl);
        assert_eq!(&**identities.app(curl), "curl");
        assert_eq!(&**identities.app(0), "");
    }

    #[test]
    fn an_app_that_was_updated_keeps_its_number_and_is_listed_twice() {
        let mut identities = Identities::default();
        let first = identities.number(&named("com.example"));
        let updated = Identity {
            version: "2".into(),
            ..named("com.example")
        };
        assert_eq!(identities.number(&updated), first);
        assert_eq!(identities.number(&updated), first);
        assert_eq!(identities.all().len(), 3);
        assert_eq!(identities.number(&named("curl")), 3);
        assert_eq!(&**identities.app(3), "curl");
    }

    #[test]
    fn a_program_that_renames_itself_without_end_is_folded() {
        let mut identities = Identities::default();
        let last = (0..MAXIMUM + 10)
            .map(|number| identities.number(&named(&number.to_string())))
            .last();
        assert_eq!(
            last.map(|number| identities.app(number).to_string())
                .as_deref(),
            Some("~other")
        );
        assert_eq!(identities.all().len(), MAXIMUM + 1);
        assert_eq!(identities.folded, 11);
    }

    #[test]
    fn a_new_app_has_the_place_of_one_that_gave_it_up() {
        let mut identities = Identities::default();
        let first = identities.number(&named("first"));
        let updated = Identity {
            version: "2".into(),
            ..named("first")
        };
        identities.number(&updated);
        let names = (3..MAXIMUM).map(|number| named(&number.to_string()));
        names.for_each(|name| {
            identities.number(&name);
        });
        assert!(identities.is_full_for(&named("new")));
        assert!(!identities.is_full_for(&updated));
        let other = identities.other();
        assert!(identities.numbers().all(|number| number != other));
        identities.give_up(&HashSet::from([first]));
        for name in ["new", "newer"] {
            let number = identities.number(&named(name));
            assert_eq!(&**identities.app(number), name);
        }
        assert_eq!(identities.all().len(), MAXIMUM + 1);
        // Under its own name its counters would begin anew.
        assert_eq!(identities.number(&named("first")), other);
        assert!(!identities.is_full_for(&named("first")));
        assert_eq!(identities.folded, 1);
    }
}
