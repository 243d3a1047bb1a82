//! Which names did each app ask for, and how often?

use std::{collections::HashMap, sync::Arc};

use crate::model::{Lookups, Via};

/// Names of all apps together.
const MAXIMUM: usize = 65_536;
/// What found no room of its own.
const OTHER: &str = "~other";

/// Counters by app, name and way. A name that has one keeps it, so that none falls; beyond the bounds an app's names are one.
pub struct LookupsByApp {
    counts: HashMap<(u32, Arc<str>, Via), u64>,
    of_apps: HashMap<u32, u32>,
    maximum: u32,
    other: Arc<str>,
}

impl LookupsByApp {
    /// At most `maximum` names of an app.
    pub fn new(maximum: u32) -> Self {
        Self {
            counts: HashMap::new(),
            of_apps: HashMap::new(),
            maximum,
            other: OTHER.into(),
        }
    }

    /// An app asked for a name.
    pub fn add(&mut self, identity: u32, name: &Arc<str>, via: Via) {
        if let Some(count) = self.counts.get_mut(&(identity, Arc::clone(name), via)) {
            *count += 1;
            return;
        }
        let own = self.of_apps.entry(identity).or_default();
        let name = if *own < self.maximum && self.counts.len() < MAXIMUM {
            *own += 1;
            Arc::clone(name)
        } else {
            Arc::clone(&self.other)
        };
        *self.counts.entry((identity, name, via)).or_default() += 1;
    }

    /// All of some apps become those of `heir`. Their numbers may be given to others then.
    pub fn give_up(&mut self, identities: &std::collections::HashSet<u32>, heir: u32) {
        let leaving: Vec<_> = self
            .counts
            .extract_if(|(identity, ..), _| identities.contains(identity))
            .collect();
        for ((identity, _, via), count) in leaving {
            self.of_apps.remove(&identity);
            let other = (heir, Arc::clone(&self.other), via);
            *self.counts.entry(other).or_default() += count;
        }
    }

    pub fn all(&self) -> Vec<Lookups> {
        let all = self
            .counts
            .iter()
            .map(|((identity, name, via), count)| Lookups {
                identity: *identity,
                name: Arc::clone(name),
                via: *via,
                count: *count,
            });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_an_apps_bound_are_one_and_none_is_lost() {
        let mut lookups = LookupsByApp::new(2);
        for name in ["a", "b", "c", "a", "d", "c"] {
            lookups.add(1, &name.into(), Via::Dns);
        }
        lookups.add(2, &"c".into(), Via::Dns);
        let counted = |lookups: &LookupsByApp| {
            let mut all: Vec<_> = lookups
                .all()
                .into_iter()
                .map(|one| (one.identity, one.name.to_string(), one.count))
                .collect();
            all.sort();
            all
        };
        let of = |identity, name: &str, count| (identity, name.to_owned(), count);
        assert_eq!(
            counted(&lookups),
            [
                of(1, "a", 2),
                of(1, "b", 1),
                of(1, "~other", 3),
                of(2, "c", 1)
            ]
        );
        lookups.give_up(&[1].into(), 7);
        assert_eq!(counted(&lookups), [of(2, "c", 1), of(7, "~other", 6)]);
    }
}
