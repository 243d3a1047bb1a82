//! What was seen, against the truth.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

/// As many differences are told, from the beginning and from the end: what is missing, and where it went, may lie far apart.
const TOLD: usize = 6;

/// Fails where a value differs, is missing, or should not be there. `say` tells of one, seen and true.
pub fn none<K: Ord, V: PartialEq>(
    what: &str,
    seen: &BTreeMap<K, V>,
    truth: &BTreeMap<K, V>,
    say: impl Fn(&K, Option<&V>, Option<&V>) -> String,
) -> Result<()> {
    let keys: BTreeSet<&K> = seen.keys().chain(truth.keys()).collect();
    let wrong: Vec<String> = keys
        .into_iter()
        .map(|key| (key, seen.get(key), truth.get(key)))
        .filter(|(_, seen, truth)| seen != truth)
        .map(|(key, seen, truth)| say(key, seen, truth))
        .collect();
    let (first, rest) = wrong.split_at(wrong.len().min(TOLD));
    let last = &rest[rest.len().saturating_sub(TOLD)..];
    ensure!(
        wrong.is_empty(),
        "{} {what} are wrong, among them:\n{}",
        wrong.len(),
        [first, last].concat().join("\n")
    );
    Ok(())
}
