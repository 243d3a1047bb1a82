//! Does the tracer say exactly what the clients and the servers say?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// What is not the same, a line each; whatever stands on one side alone is that too.
pub fn differences<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    truth: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Vec<String> {
    let keys: BTreeSet<&K> = truth.keys().chain(found.keys()).collect();
    keys.into_iter()
        .filter(|key| truth.get(key) != found.get(key))
        .map(|key| {
            let (truth, found) = (truth.get(key), found.get(key));
            format!("{what} {key:?}: {found:?}, not {truth:?}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_less_missing_or_unasked_for_is_a_difference() {
        let truth = BTreeMap::from([("same", 1), ("less", 2), ("missing", 3)]);
        let found = BTreeMap::from([("same", 1), ("less", 1), ("unasked", 4)]);
        let expected = [
            "it \"less\": Some(1), not Some(2)",
            "it \"missing\": None, not Some(3)",
            "it \"unasked\": Some(4), not None",
        ];
        assert_eq!(differences("it", &truth, &found), expected);
        assert!(differences("it", &truth, &truth).is_empty());
    }
}
