//! Who controls the name of a destination? Asked once for each name, and remembered.

use std::{collections::HashMap, sync::Arc};

use crate::{
    enrich,
    model::{Destination, Owner, Row},
};

/// Names that are remembered. To ask again costs some hundred nanoseconds.
const NAMES: usize = 16_384;

#[derive(Default)]
pub struct Owners(HashMap<Arc<str>, Option<Owner>>);

impl Owners {
    /// `None` where no source says it, which is never guessed.
    pub fn of(&mut self, name: &Arc<str>) -> Option<Owner> {
        if let Some(owner) = self.0.get(name) {
            return *owner;
        }
        if self.0.len() >= NAMES {
            self.0.clear();
        }
        let owner = enrich::owner(name).map(|owner| Owner {
            company: owner.company,
            parent: owner.parent,
        });
        self.0.insert(Arc::clone(name), owner);
        owner
    }

    /// The label `company`.
    pub fn company(&mut self, name: &Arc<str>) -> &'static str {
        self.of(name).map_or("", |owner| owner.company)
    }

    /// Of the names in these rows those whose owner is known, each once.
    pub fn among(&mut self, rows: &[Arc<Vec<Row>>]) -> Vec<(Arc<str>, Owner)> {
        let mut known = HashMap::new();
        for row in rows.iter().flat_map(|block| block.iter()) {
            if let Destination::Named { name, .. } = &row.destination
                && !row.company.is_empty()
                && !known.contains_key(&name.text)
                && let Some(owner) = self.of(&name.text)
            {
                known.insert(Arc::clone(&name.text), owner);
            }
        }
        known.into_iter().collect()
    }
}
