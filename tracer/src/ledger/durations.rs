//! How long handshakes and connections took, by app, handshakes by company too.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{ledger::identities::Identities, model::Durations};

/// Most histograms of handshakes, of 150 bytes each; those of an app's further companies are in one of [`OTHER`].
const MAXIMUM: usize = 65_536;
/// What found no room of its own.
const OTHER: &str = "~other";

/// Histograms by identity. They are made of details, so where details were lost they are short of them.
#[derive(Default)]
pub struct DurationsByApp {
    connect: HashMap<(u32, &'static str), Durations>,
    connection: Vec<Durations>,
}

impl DurationsByApp {
    /// A handshake of `nanoseconds` with somebody of that company, which is empty where it is not known.
    pub fn connect(&mut self, identity: u32, company: &'static str, nanoseconds: u64) {
        self.connects_with(identity, company)
            .observe(nanoseconds as f64 / 1e9);
    }

    fn connects_with(&mut self, identity: u32, company: &'static str) -> &mut Durations {
        let has_room = self.connect.len() < MAXIMUM || company.is_empty();
        let company = match company {
            known if has_room || self.connect.contains_key(&(identity, known)) => known,
            _ => OTHER,
        };
        self.connect.entry((identity, company)).or_default()
    }

    /// A connection of `nanoseconds` from its handshake to its end.
    pub fn connection(&mut self, identity: u32, nanoseconds: u64) {
        let seconds = nanoseconds as f64 / 1e9;
        at(&mut self.connection, identity).observe(seconds);
    }

    /// Adds those of some identities to those of `heir`.
    pub fn give_up(&mut self, identities: &HashSet<u32>, heir: u32) {
        for identity in identities {
            let all = &mut self.connection;
            if let Some(given) = all.get_mut(*identity as usize).map(std::mem::take)
                && given.count() > 0
            {
                add(at(all, heir), &given);
            }
        }
        let given = |(identity, _): &(u32, _), _: &mut _| identities.contains(identity);
        let given: Vec<_> = self.connect.extract_if(given).collect();
        for ((_, company), durations) in given {
            add(self.connects_with(heir, company), &durations);
        }
    }

    /// By app and company.
    pub fn connects(&self, identities: &Identities) -> Vec<(Arc<str>, &'static str, Durations)> {
        let all = self.connect.iter();
        let sums = by_app(
            all.map(|((identity, company), all)| (*identity, *company, all)),
            identities,
        );
        let sums = sums.into_iter();
        sums.map(|((app, company), all)| (app, company, all))
            .collect()
    }

    /// By app.
    pub fn connections(&self, identities: &Identities) -> Vec<(Arc<str>, Durations)> {
        let all = self.connection.iter().enumerate();
        let all = all.filter(|(_, all)| all.count() > 0);
        let sums = by_app(
            all.map(|(identity, all)| (identity as u32, "", all)),
            identities,
        );
        let sums = sums.into_iter();
        sums.map(|((app, _), all)| (app, all)).collect()
    }
}

fn at(all: &mut Vec<Durations>, identity: u32) -> &mut Durations {
    let index = identity as usize;
    if all.len() <= index {
        all.resize(index + 1, Durations::default());
    }
    &mut all[index]
}

fn add(to: &mut Durations, from: &Durations) {
    for (to, from) in to.buckets.iter_mut().zip(from.buckets) {
        *to += from;
    }
    to.sum += from.sum;
}

/// Several identities (users, versions) may be one app.
fn by_app<'a>(
    all: impl Iterator<Item = (u32, &'static str, &'a Durations)>,
    identities: &Identities,
) -> BTreeMap<(Arc<str>, &'static str), Durations> {
    let mut apps = BTreeMap::new();
    for (identity, company, durations) in all {
        let app = Arc::clone(identities.app(identity));
        add(apps.entry((app, company)).or_default(), durations);
    }
    apps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_that_is_given_up_has_is_added_to_its_heirs() {
        let mut durations = DurationsByApp::default();
        durations.connect(1, "One", 1_000_000_000);
        durations.connect(2, "One", 2_000_000_000);
        durations.connect(5, "Two", 2_000_000_000);
        durations.give_up(&HashSet::from([1, 7]), 5);
        let count = |identity, company| {
            let found = durations.connect.get(&(identity, company));
            found.map(Durations::count)
        };
        assert_eq!(count(1, "One"), None);
        assert_eq!(count(2, "One"), Some(1));
        assert_eq!(count(5, "One"), Some(1));
        assert_eq!(count(5, "Two"), Some(1));
        assert!((durations.connect[&(5, "One")].sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_finds_no_room_is_counted_all_the_same() {
        let mut durations = DurationsByApp::default();
        for identity in 0..MAXIMUM as u32 {
            durations.connect(identity, "One", 1);
        }
        for company in ["One", "Two", "Three", ""] {
            durations.connect(7, company, 1);
        }
        let count = |company| durations.connect.get(&(7, company)).map(Durations::count);
        assert_eq!(
            ["One", "Two", "Three", OTHER, ""].map(count),
            [Some(2), None, None, Some(2), Some(1)]
        );
    }
}
