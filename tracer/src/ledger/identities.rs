//! Every app that was seen, by a number.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::model::{Identity, Kind};

/// Most identities that get a name of their own. A program that renames itself without end must not fill the memory; a
/// phone has some hundred apps, a large server some thousand services and containers.
const MAXIMUM: usize = 16_384;

/// The app of those that found no room.
const OTHER: &str = "~other";

/// Numbers for apps, from 1 up. An app is never forgotten: its counters never go down.
///
/// Rows are told apart by app and user. Identities that differ in the rest only (a package that was updated, a container
/// and a program of one name) share a number, and each stands in the list for `tracer_app_info`.
pub struct Identities {
    all: Arc<Vec<Identity>>,
    known: HashSet<Identity>,
    numbers: HashMap<(Arc<str>, Arc<str>), u32>,
    /// Programs that found no room for an identity of their own.
    pub folded: u64,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            all: Arc::new(vec![named("")]),
            known: HashSet::new(),
            numbers: HashMap::new(),
            folded: 0,
        }
    }
}

impl Identities {
    /// The number of `identity`.
    pub fn number(&mut self, identity: &Identity) -> u32 {
        let labels = (Arc::clone(&identity.app), Arc::clone(&identity.user));
        if self.known.contains(identity)
            && let Some(number) = self.numbers.get(&labels)
        {
            return *number;
        }
        if self.all.len() >= MAXIMUM && &*identity.app != OTHER {
            // One that has rows keeps them; only its further description finds no room.
            if let Some(number) = self.numbers.get(&labels) {
                return *number;
            }
            self.folded += 1;
            return self.number(&named(OTHER));
        }
        let number = *self.numbers.entry(labels).or_insert(self.all.len() as u32);
        self.known.insert(identity.clone());
        Arc::make_mut(&mut self.all).push(identity.clone());
        number
    }

    /// The app of a number.
    pub fn app(&self, number: u32) -> &Arc<str> {
        &self.all[number as usize].app
    }

    pub fn all(&self) -> Arc<Vec<Identity>> {
        Arc::clone(&self.all)
    }
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
}
