//! What the embedded tables answer, as a whole.

#![expect(clippy::print_stdout, reason = "what is measured and found is printed")]

mod addresses;
mod alike;
mod conflicts;
mod names;
mod places;
mod resolvers;
mod speed;

use super::{address::operator, *};

/// The company shown for a name.
fn company(name: &str) -> Option<&'static str> {
    owner(name).map(|owner| owner.company)
}

#[track_caller]
fn check(name: &str, company: &str, parent: Option<&str>) {
    let found = owner(name);
    assert_eq!(
        found.map(|owner| (owner.company, owner.parent)),
        Some((company, parent)),
        "{name}: `tracer data show {name}` tells where that comes from"
    );
}

#[track_caller]
fn check_unknown(name: &str, state: State) {
    let facts = facts(name);
    assert_eq!(facts.owner, None, "{name} has an owner");
    assert_eq!(facts.state, state, "{name}");
}
