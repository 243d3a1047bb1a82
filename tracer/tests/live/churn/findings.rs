//! What was found to be wrong: all of it by number, and of each kind the first.

use std::collections::BTreeMap;

/// So many of a kind are told one by one.
const TOLD: usize = 3;

#[derive(Default)]
pub struct Findings(BTreeMap<&'static str, Kind>);

#[derive(Default)]
struct Kind {
    count: u64,
    first: Vec<String>,
}

impl Findings {
    pub fn add(&mut self, kind: &'static str, what: String) {
        let kind = self.0.entry(kind).or_default();
        kind.count += 1;
        if kind.first.len() < TOLD {
            kind.first.push(what);
        }
    }

    /// Fails where anything was found.
    pub fn assert_none(&self, among: &str) {
        let told = self.0.iter().map(|(kind, findings)| {
            let first = findings.first.join("\n  ");
            format!("{kind}: {} times, first\n  {first}", findings.count)
        });
        let told: Vec<String> = told.collect();
        assert!(told.is_empty(), "{among}\n{}", told.join("\n"));
    }
}
