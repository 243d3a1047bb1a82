//! Who controls a name, if the sources agree?

use super::layout::{Claim, ROLES, Relation, Table};
use super::lookup::{self, Match, Matches};
use super::table;

/// Who controls a name. The deciding source and all others are in `facts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The company, as it is shown: the label `company`.
    pub company: &'static str,
    /// Whoever controls that company in the end, where that is another.
    pub parent: Option<&'static str>,
    /// The brand of the company whose name it is, where it is one.
    pub brand: Option<&'static str>,
}

/// Whoever controls a company in the end, where that is another one.
#[must_use]
pub fn top(company: &str) -> Option<&'static str> {
    owner_of(table::company(company)?).parent
}

/// What a name is for, where a table says it of the name or of one above it that has the same owner; else empty.
#[must_use]
pub fn role(name: &str) -> &'static str {
    let matches = lookup::matches(name);
    let Some(decided) = decide(name, matches.all()).decided else {
        return "";
    };
    let of_name = matches.all().iter().rev().flat_map(|found| {
        let says = |claim: &&Claim| !claim.exact || found.pattern == name;
        found.claims.iter().filter(says)
    });
    let role = of_name
        .filter(|claim| claim.role != 0 && same(claim, decided))
        // Of several the first, which is of the longest name.
        .min_by_key(|claim| claim.role != decided.role);
    role.map_or("", |claim| ROLES[usize::from(claim.role)])
}

/// Where customers have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform<'name> {
    /// The name below which the customers' names lie.
    pub suffix: &'name str,
    /// Who runs it, where the tables say that.
    pub owner: Option<Owner>,
}

/// All that was found out about a name.
pub struct Resolution<'name> {
    pub matches: Matches,
    pub platform: Option<Platform<'name>>,
    pub decided: Option<&'static Claim>,
    /// Sources name companies that do not belong together.
    pub conflict: bool,
    /// A source says that it is not settled who controls the name.
    pub open: bool,
}

/// The owner of a name in lower case, in A-labels, without a dot at its end. `None` is unknown: no source names one, the
/// sources contradict each other, or the name is a customer's below a shared platform. It never comes from an address.
#[must_use]
pub fn owner(name: &str) -> Option<Owner> {
    let matches = lookup::matches(name);
    // Most names are nobody's, and this is asked for each contact: the public suffixes need not be looked at.
    if matches.all().is_empty() {
        return None;
    }
    let decision = decide(name, matches.all());
    decision.decided.map(|claim| owner_of(claim.entity))
}

pub fn resolve(name: &str) -> Resolution<'_> {
    let matches = lookup::matches(name);
    let Decision {
        above,
        decided,
        conflict,
        open,
    } = decide(name, matches.all());
    Resolution {
        platform: above.map(|(suffix, _)| Platform {
            suffix,
            owner: run_by(suffix, matches.all()).map(|claim| owner_of(claim.entity)),
        }),
        decided,
        conflict,
        open,
        matches,
    }
}

/// A platform's suffix, and the root of whoever runs it.
type Above<'name> = Option<(&'name str, Option<u16>)>;

struct Decision<'name> {
    above: Above<'name>,
    decided: Option<&'static Claim>,
    conflict: bool,
    open: bool,
}

fn decide<'name>(name: &'name str, matches: &[Match]) -> Decision<'name> {
    let above = platform(name, matches);
    let counting = || {
        matches.iter().flat_map(move |found| {
            let says = move |claim: &&Claim| counts(claim, found.pattern, name, above);
            found
                .claims
                .iter()
                .filter(says)
                .map(|claim| (found.pattern.len(), claim))
        })
    };
    let named = |(_, claim): &(usize, &Claim)| {
        matches!(claim.relation, Relation::Owner | Relation::Platform)
    };
    // The table that is trusted most decides, and of what it says what is said of the longest name.
    let decided = counting()
        .filter(named)
        .max_by_key(|(length, claim)| (claim.table, *length));
    let conflict = decided.is_some_and(|(length, claim)| {
        let settled = |other_length: usize, other: &Claim| {
            claim.table == Table::Overlay && other.table != Table::Overlay && length >= other_length
        };
        counting().any(|(other_length, other)| !same(claim, other) && !settled(other_length, other))
    });
    let open = counting().any(|(_, claim)| claim.relation == Relation::Open);
    Decision {
        above,
        decided: decided
            .filter(|_| !conflict && !open)
            .map(|(_, claim)| claim),
        conflict,
        open,
    }
}

/// The longest name above this one below which customers have theirs, and who controls it.
fn platform<'name>(name: &'name str, matches: &[Match]) -> Above<'name> {
    let claimed = matches.iter().rev().find(|found| {
        found.pattern.len() < name.len()
            && found
                .claims
                .iter()
                .any(|claim| claim.relation == Relation::Platform && !claim.exact)
    });
    let claimed = claimed.and_then(|found| name.get(name.len() - found.pattern.len()..));
    let suffix = match (claimed, lookup::shared_suffix(name)) {
        (Some(claimed), Some(suffix)) if claimed.len() < suffix.len() => suffix,
        (Some(claimed), _) => claimed,
        (None, suffix) => suffix?,
    };
    Some((
        suffix,
        run_by(suffix, matches).map(|claim| table::entity(claim.entity).root),
    ))
}

/// Who runs a platform, by the table most trusted.
fn run_by(suffix: &str, matches: &[Match]) -> Option<&'static Claim> {
    let found = matches.iter().find(|found| found.pattern == suffix)?;
    found
        .claims
        .iter()
        .filter(|claim| matches!(claim.relation, Relation::Platform | Relation::Owner))
        .max_by_key(|claim| claim.table)
}

/// Whether a claim says who controls this very name.
fn counts(claim: &Claim, pattern: &str, name: &str, above: Above) -> bool {
    if claim.exact && pattern != name {
        return false;
    }
    let names_owner = match claim.relation {
        Relation::Owner | Relation::Disputed | Relation::Open => true,
        // The platform's own name is its own; what lies below is not.
        Relation::Platform => pattern == name,
        Relation::UnderThirdParty => false,
    };
    let tenant = above.is_some_and(|(suffix, runs)| {
        // Below a platform only what was read counts, and what the platform's own company says of this very name.
        pattern.len() <= suffix.len()
            || (claim.table != Table::Overlay
                && (pattern != name || runs != Some(table::entity(claim.entity).root)))
    });
    names_owner && !tenant
}

/// Whether two claims name companies that belong together.
fn same(one: &Claim, other: &Claim) -> bool {
    let (one, other) = (table::entity(one.entity), table::entity(other.entity));
    one.root == other.root
}

pub fn owner_of(entity: u16) -> Owner {
    let own = table::entity(entity);
    let company = table::entity(own.company);
    let parent =
        (company.root != own.company).then(|| table::text(table::entity(company.root).name));
    Owner {
        company: table::text(company.name),
        parent,
        brand: (own.company != entity).then(|| table::text(own.name)),
    }
}
