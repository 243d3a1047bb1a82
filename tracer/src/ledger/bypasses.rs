//! How often did each app come past the device's resolver, and how?

use std::collections::{HashMap, HashSet};

use crate::model::{Bypass, Bypasses};

/// By app and kind: as many as there are apps, four times.
#[derive(Default)]
pub struct BypassesByApp(HashMap<(u32, Bypass), u64>);

impl BypassesByApp {
    pub fn add(&mut self, identity: u32, kind: Bypass) {
        *self.0.entry((identity, kind)).or_default() += 1;
    }

    /// All of some apps become those of `heir`. Their numbers may be given to others then.
    pub fn give_up(&mut self, identities: &HashSet<u32>, heir: u32) {
        let leaving: Vec<_> = self
            .0
            .extract_if(|(identity, _), _| identities.contains(identity))
            .collect();
        for ((_, kind), count) in leaving {
            *self.0.entry((heir, kind)).or_default() += count;
        }
    }

    pub fn all(&self) -> Vec<Bypasses> {
        let all = self.0.iter().map(|((identity, kind), count)| Bypasses {
            identity: *identity,
            kind: *kind,
            count: *count,
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_gave_up_is_its_heirs_and_none_is_lost() {
        let mut bypasses = BypassesByApp::default();
        for (identity, kind) in [
            (1, Bypass::Doh),
            (1, Bypass::Doh),
            (1, Bypass::NoLookup),
            (2, Bypass::Dot),
            (7, Bypass::Doh),
        ] {
            bypasses.add(identity, kind);
        }
        bypasses.give_up(&[1].into(), 7);
        let mut all: Vec<_> = bypasses
            .all()
            .into_iter()
            .map(|one| (one.identity, one.kind.label(), one.count))
            .collect();
        all.sort_unstable();
        assert_eq!(all, [(2, "dot", 1), (7, "doh", 3), (7, "no_lookup", 1)]);
    }
}
