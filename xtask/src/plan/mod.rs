//! Which test runs on which machine, and what is known of it there?
//!
//! A machine is this one (`HERE`) or an emulated one, by the name of its kernel.

pub mod known;
pub mod said;
pub mod table;
mod tests;
pub mod verdict;

use std::collections::BTreeSet;

use crate::vm::kernels::KERNELS;
use tests::TESTS;

/// The machine that `cargo xtask test` is started on.
pub const HERE: &str = "here";

/// How much of all that there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One representative of each truth on each kernel.
    Short,
    /// Every test on every machine that can run it.
    Long,
}

/// The live tests that a machine runs, in the order of the table.
pub fn tests_of(machine: &str, scope: Scope) -> Vec<&'static str> {
    let tests = TESTS.iter().filter(|test| test.runs(machine, scope));
    tests.map(|test| test.name).collect()
}

/// What is wrong with the tables, given the live tests that there are.
pub fn offences(existing: &BTreeSet<&str>) -> Vec<String> {
    let names: BTreeSet<&str> = TESTS.iter().map(|test| test.name).collect();
    let missing = existing
        .difference(&names)
        .map(|name| format!("{name} stands in no row of xtask/src/plan/tests.rs: nobody runs it"));
    let gone = names
        .difference(existing)
        .map(|name| format!("xtask/src/plan/tests.rs has {name}, which is no test"));
    let nowhere = TESTS
        .iter()
        .filter(|test| {
            [HERE]
                .iter()
                .chain(&kernels())
                .all(|machine| !test.runs(machine, Scope::Long))
        })
        .map(|test| format!("{} runs nowhere in the long run", test.name));
    let not_long = TESTS
        .iter()
        .filter(|test| {
            test.short
                .iter()
                .any(|machine| !test.runs(machine, Scope::Long))
        })
        .map(|test| {
            format!(
                "{} runs in the short run and not in the long one",
                test.name
            )
        });
    let rows = known::KNOWN.iter().chain(known::SKIPPED);
    let unknown = rows
        .filter(|row| !names.contains(row.test) && !row.test.starts_with("cases::"))
        .map(|row| format!("xtask/src/plan/known.rs has {}, which is no test", row.test));
    missing
        .chain(gone)
        .chain(nowhere)
        .chain(not_long)
        .chain(unknown)
        .collect()
}

/// The emulated machines.
fn kernels() -> Vec<&'static str> {
    KERNELS.iter().map(|kernel| kernel.name).collect()
}
