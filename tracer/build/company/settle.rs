//! What follows from all claims together: who controls whom, what is a platform, and that the look-up has room for it.

use std::collections::HashMap;

use super::layout::{DEPTH, Relation};
use super::merge::{Merged, narrow};

/// Who controls each in the end, by the ownerships that last at that day and are more than half.
pub fn roots(merged: &mut Merged, day: &str) -> Result<(), String> {
    let mut parents = HashMap::new();
    for edge in &merged.edges {
        let [from, to, share] = &edge.texts;
        let whole = share.is_empty() || share.parse::<f64>().is_ok_and(|share| share > 50.0);
        let lasts =
            (from.is_empty() || from.as_str() <= day) && (to.is_empty() || to.as_str() > day);
        if whole && lasts && parents.insert(edge.child, edge.parent).is_some() {
            return Err("data/entities.toml: an entity has two parents at one time".to_owned());
        }
    }
    for number in 0..merged.entities.len() {
        let mut root = narrow(number)?;
        for _ in 0..=merged.edges.len() {
            root = parents.get(&root).copied().unwrap_or(root);
        }
        if parents.contains_key(&root) {
            return Err("data/entities.toml: ownerships go in a circle".to_owned());
        }
        merged.entities[number].root = root;
    }
    Ok(())
}

/// Where a more trusted table says that a name is its company's own, a less trusted one's platform there is its word for
/// the same: the category of a product.
pub fn settle(merged: &mut Merged) {
    for claims in merged.claims.values_mut() {
        let owner = claims
            .iter()
            .filter(|claim| claim.relation == Relation::Owner && !claim.exact)
            .map(|claim| claim.table)
            .max();
        for claim in claims.iter_mut() {
            if claim.relation == Relation::Platform && owner > Some(claim.table) {
                claim.relation = Relation::Owner;
            }
        }
    }
}

/// The look-up has room for so many names one below the other.
pub fn bounded(merged: &Merged) -> Result<(), String> {
    for name in merged.claims.keys() {
        let above = name
            .match_indices('.')
            .filter(|(at, _)| merged.claims.contains_key(&name[at + 1..]))
            .count();
        if above >= DEPTH {
            return Err(format!(
                "data: more than {DEPTH} names are one below the other: {name}"
            ));
        }
    }
    Ok(())
}
