//! How long handshakes and connections took, by app.

use std::sync::Arc;

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
    let index = identity as usize;
    if all.len() <= index {
        all.resize(index + 1, Durations::default());
    }
    all[index].observe(nanoseconds as f64 / 1e9);
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
        for (to, from) in sum.buckets.iter_mut().zip(durations.buckets) {
            *to += from;
        }
        sum.sum += durations.sum;
    }
    apps.into_iter().collect()
}
