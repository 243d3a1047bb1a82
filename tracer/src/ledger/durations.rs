//! How long handshakes and connections took, by app.

use std::{collections::HashSet, sync::Arc};

use crate::{ledger::identities::Identities, model::Durations};

/// Histograms by identity. They are made of details, so where details were lost they are short of them.
#[derive(Default)]
pub struct DurationsByApp {
    connect: Vec<Durations>,
    connection: Vec<Durations>,
}

impl DurationsByApp {
    /// A handshake of `nanoseconds`.
    pub fn connect(&mut self, identity: u32, nanoseconds: u64) {
        observe(&mut self.connect, identity, nanoseconds);
    }

    /// A connection of `nanoseconds` from its handshake to its end.
    pub fn connection(&mut self, identity: u32, nanoseconds: u64) {
        observe(&mut self.connection, identity, nanoseconds);
    }

    /// Adds those of some identities to those of `heir`.
    pub fn give_up(&mut self, identities: &HashSet<u32>, heir: u32) {
        for all in [&mut self.connect, &mut self.connection] {
            for identity in identities {
                let Some(given) = all.get_mut(*identity as usize).map(std::mem::take) else {
                    continue;
                };
                if given.count() > 0 {
                    add(at(all, heir), &given);
                }
            }
        }
    }

    /// By app and company.
    pub fn connects(&self, identities: &Identities) -> Vec<(Arc<str>, Arc<str>, Durations)> {
        let company: Arc<str> = "".into();
        by_app(&self.connect, identities)
            .into_iter()
            .map(|(app, all)| (app, Arc::clone(&company), all))
            .collect()
    }

    /// By app.
    pub fn connections(&self, identities: &Identities) -> Vec<(Arc<str>, Durations)> {
        by_app(&self.connection, identities)
    }
}

fn observe(all: &mut Vec<Durations>, identity: u32, nanoseconds: u64) {
    at(all, identity).observe(nanoseconds as f64 / 1e9);
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
fn by_app(all: &[Durations], identities: &Identities) -> Vec<(Arc<str>, Durations)> {
    let mut apps: std::collections::BTreeMap<Arc<str>, Durations> =
        std::collections::BTreeMap::new();
    for (number, durations) in all
        .iter()
        .enumerate()
        .filter(|(_, durations)| durations.count() > 0)
    {
        let sum = apps
            .entry(Arc::clone(identities.app(number as u32)))
            .or_default();
        add(sum, durations);
    }
    apps.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_that_is_given_up_has_is_added_to_its_heirs() {
        let mut durations = DurationsByApp::default();
        durations.connect(1, 1_000_000_000);
        durations.connect(2, 2_000_000_000);
        durations.give_up(&HashSet::from([1, 7]), 5);
        assert_eq!(durations.connect[1].count(), 0);
        assert_eq!(durations.connect[2].count(), 1);
        assert_eq!(durations.connect[5].count(), 1);
        assert!((durations.connect[5].sum - 1.0).abs() < 1e-9);
    }
}
