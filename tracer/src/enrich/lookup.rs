//! Which names of the table are a name, or lie above it?

use super::layout::{Claim, DEPTH, EMPTY, START, slot, step};
use super::table;

/// The longest name there is, as text.
const LONGEST: usize = 253;

/// A name of the table, and what is said of it.
#[derive(Clone, Copy)]
pub struct Match {
    pub pattern: &'static str,
    pub claims: &'static [Claim],
}

/// All that were found, the shortest first.
pub struct Matches {
    found: [Match; DEPTH],
    count: usize,
}

impl Matches {
    pub fn all(&self) -> &[Match] {
        &self.found[..self.count]
    }
}

/// One pass over the name from its end; at each beginning of a label the table is asked.
pub fn matches(name: &str) -> Matches {
    let mut matches = Matches {
        found: [Match {
            pattern: "",
            claims: &[],
        }; DEPTH],
        count: 0,
    };
    if !is_name(name) {
        return matches;
    }
    let bytes = name.as_bytes();
    let mut hash = START;
    for at in (0..bytes.len()).rev() {
        hash = step(hash, bytes[at]);
        if (at == 0 || bytes[at - 1] == b'.')
            && let Some(found) = find(hash, &bytes[at..])
            && matches.count < DEPTH
        {
            matches.found[matches.count] = found;
            matches.count += 1;
        }
    }
    matches
}

fn find(hash: u32, name: &[u8]) -> Option<Match> {
    let slots = &table::SLOTS;
    let mut at = slot(hash, slots.len());
    // At most half of the slots are in use, so this ends.
    while slots[at] != EMPTY {
        let number = usize::from(slots[at]);
        let pattern = table::name(number);
        if pattern.as_bytes() == name {
            return Some(Match {
                pattern,
                claims: table::claims(number),
            });
        }
        at = (at + 1) & (slots.len() - 1);
    }
    None
}

/// Whether look-ups have an answer for it: lower case, no dot at the end, nothing empty between dots.
pub fn is_name(name: &str) -> bool {
    name.is_ascii()
        && name.len() <= LONGEST
        && !name.is_empty()
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
}

/// The private public suffix above the name: whoever runs it lets others have names below it.
pub fn shared_suffix(name: &str) -> Option<&str> {
    let suffix = psl::suffix(name.as_bytes())?;
    let length = suffix.as_bytes().len();
    (suffix.typ() == Some(psl::Type::Private) && length < name.len())
        .then(|| name.get(name.len() - length..))
        .flatten()
}
