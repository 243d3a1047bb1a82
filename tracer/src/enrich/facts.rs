//! Everything the tables say of a name, with source, date and how sure it is.

use super::layout::{Claim, Relation, ResolverKind, Source, Table};
use super::owner::{Owner, Platform, owner_of, resolve};
use super::resolver;
use super::table;

/// A statement and where it comes from.
#[derive(Clone, Copy)]
pub struct Fact<Value> {
    pub value: Value,
    pub source: &'static Source,
    pub method: &'static str,
    pub confidence: Confidence,
}

/// How far a source is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    Low,
    Medium,
    High,
}

impl Confidence {
    /// As it is shown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What one source says of a name.
#[derive(Clone, Copy)]
pub struct ClaimFact {
    /// The name that the source has: the name itself, or one above it.
    pub pattern: &'static str,
    pub exact: bool,
    pub relation: Relation,
    pub owner: Owner,
    /// Where in the source: a list, or a product and its category. Empty where the source is one page.
    pub part: &'static str,
    /// Who says that the company is there at all.
    pub known_by: &'static Source,
}

/// That one company belongs to another.
#[derive(Clone, Copy)]
pub struct OwnershipFact {
    pub child: &'static str,
    pub parent: &'static str,
    /// Since when; empty where the source does not say.
    pub from: &'static str,
    pub to: &'static str,
    /// In percent; empty for the whole.
    pub share: &'static str,
}

/// That a resolver is at a name, which apps ask in place of the device's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverFact {
    /// The name that the list has: the name itself, or one above it.
    pub pattern: &'static str,
    pub exact: bool,
    pub kind: ResolverKind,
    /// In which list of the source it is.
    pub part: &'static str,
}

/// Why there is an owner, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The sources that know the name agree.
    Known,
    /// No source has the name.
    Unknown,
    /// It is a customer's name below a platform, and no source says whose.
    Tenant,
    /// Sources name companies that do not belong together.
    Conflict,
    /// A source says that it is not settled who controls it.
    Open,
}

/// Everything known of a name.
pub struct NameFacts<'name> {
    pub owner: Option<Owner>,
    pub state: State,
    pub platform: Option<Platform<'name>>,
    pub resolver: Option<Fact<ResolverFact>>,
    pub claims: Vec<Fact<ClaimFact>>,
    /// Who belongs to whom, of all the companies that are named.
    pub ownerships: Vec<Fact<OwnershipFact>>,
    /// The sources contradict each other, whether that was decided or not.
    pub conflict: bool,
    /// The day of the data.
    pub date: &'static str,
}

/// All facts about a name in the form that `owner` takes.
#[must_use]
pub fn facts(name: &str) -> NameFacts<'_> {
    let resolution = resolve(name);
    let mut claims = Vec::new();
    let mut entities = Vec::new();
    for found in resolution.matches.all() {
        for claim in found
            .claims
            .iter()
            .filter(|claim| !claim.exact || found.pattern == name)
        {
            claims.push(claim_fact(found.pattern, claim));
            entities.push(claim.entity);
        }
    }
    let owner = resolution.decided.map(|claim| owner_of(claim.entity));
    let state = if owner.is_some() {
        State::Known
    } else if resolution.open {
        State::Open
    } else if resolution.conflict {
        State::Conflict
    } else if resolution.platform.is_some() {
        State::Tenant
    } else {
        State::Unknown
    };
    NameFacts {
        owner,
        state,
        platform: resolution.platform,
        resolver: resolver_fact(name),
        conflict: resolution.conflict || contradict(&claims, resolution.platform),
        claims,
        ownerships: ownerships(entities),
        date: table::DATE,
    }
}

fn resolver_fact(name: &str) -> Option<Fact<ResolverFact>> {
    let listed = resolver::listed(name)?;
    Some(Fact {
        value: ResolverFact {
            pattern: listed.name,
            exact: listed.exact,
            kind: listed.kind,
            part: table::text(listed.list),
        },
        source: table::source(listed.source),
        method: "list of resolvers for routing",
        confidence: Confidence::Medium,
    })
}

/// Whether two of the claims name companies that do not belong together. That somebody uses a name of another, or has one
/// below a platform, is no contradiction.
fn contradict(claims: &[Fact<ClaimFact>], platform: Option<Platform>) -> bool {
    let shared = platform.map_or(0, |platform| platform.suffix.len());
    let mut top = claims
        .iter()
        .filter(|fact| fact.value.pattern.len() > shared)
        .filter(|fact| {
            !matches!(
                fact.value.relation,
                Relation::UnderThirdParty | Relation::Platform
            )
        })
        .map(|fact| fact.value.owner.parent.unwrap_or(fact.value.owner.company));
    top.next()
        .is_some_and(|first| top.any(|other| other != first))
}

fn claim_fact(pattern: &'static str, claim: &'static Claim) -> Fact<ClaimFact> {
    let source = table::source(claim.source);
    let (method, confidence) = match (claim.table, source.by, claim.relation) {
        (Table::Overlay, "vendor" | "code", _) => {
            ("read in the vendor's own words", Confidence::High)
        }
        (Table::Overlay, _, _) => ("read in a report or list", Confidence::Medium),
        (_, _, Relation::UnderThirdParty) => ("named in a list of others' names", Confidence::Low),
        (Table::V2fly, _, _) => ("list of a company's names for routing", Confidence::Medium),
        (Table::ThirdPartyWeb, _, _) => {
            ("list of who serves web pages of others", Confidence::Medium)
        }
    };
    let value = ClaimFact {
        pattern,
        exact: claim.exact,
        relation: claim.relation,
        owner: owner_of(claim.entity),
        part: table::text(claim.detail),
        known_by: table::source(table::entity(claim.entity).source),
    };
    Fact {
        value,
        source,
        method,
        confidence,
    }
}

/// Whom a company belongs to, and whom that one belongs to.
#[must_use]
pub fn parents(company: &str) -> Vec<Fact<OwnershipFact>> {
    ownerships(table::company(company).into_iter().collect())
}

/// The edges from these entities upwards.
fn ownerships(mut entities: Vec<u16>) -> Vec<Fact<OwnershipFact>> {
    let mut facts = Vec::new();
    let mut at = 0;
    while at < entities.len() {
        let child = entities[at];
        at += 1;
        if entities[..at - 1].contains(&child) {
            continue;
        }
        for edge in table::EDGES.iter().filter(|edge| edge.child == child) {
            let source = table::source(edge.source);
            entities.push(edge.parent);
            let confidence = match source.by {
                "vendor" | "code" => Confidence::High,
                _ => Confidence::Medium,
            };
            facts.push(Fact {
                value: OwnershipFact {
                    child: table::text(table::entity(edge.child).name),
                    parent: table::text(table::entity(edge.parent).name),
                    from: edge.from,
                    to: edge.to,
                    share: edge.share,
                },
                source,
                method: "who belongs to whom",
                confidence,
            });
        }
    }
    facts
}
