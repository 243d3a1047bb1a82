//! What was seen, against the truth.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

/// As many differences are told.
const TOLD: usize = 10;

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
    ensure!(
        wrong.is_empty(),
        "{} {what} are wrong, the first of them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(TOLD)].join("\n")
    );
    Ok(())
}
