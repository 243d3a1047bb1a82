//! The embedded tables, as the build script writes them, and their texts.

use super::layout::{
    Anycast, Claim, Edge, Entity, Network, Range, Relation, Resolver, ResolverKind, Source, Table,
    Tables, feed,
};
use Relation::{Disputed, Open, Owner, Platform, UnderThirdParty};
use ResolverKind::{Doh, HttpDns};
use Table::{Overlay, ThirdPartyWeb, V2fly};

/// A data set that the tables are made of.
pub struct Set {
    pub name: &'static str,
    pub title: &'static str,
    pub address: &'static str,
    pub version: &'static str,
    /// The day of the data.
    pub date: &'static str,
    pub licence: &'static str,
    /// Its files below `data/`, each with its SHA-256.
    pub files: &'static [(&'static str, &'static str)],
}

const fn c(
    entity: u16,
    source: u16,
    detail: u16,
    relation: Relation,
    table: Table,
    exact: bool,
    role: u8,
) -> Claim {
    Claim {
        entity,
        source,
        detail,
        relation,
        table,
        exact,
        role,
    }
}

const fn e(name: u16, company: u16, root: u16, source: u16) -> Entity {
    Entity {
        name,
        company,
        root,
        source,
    }
}

const fn r(
    name: &'static str,
    kind: ResolverKind,
    exact: bool,
    list: u16,
    source: u16,
) -> Resolver<'static> {
    Resolver {
        name,
        kind,
        exact,
        list,
        source,
    }
}

pub use built::*;

#[expect(clippy::unreadable_literal, reason = "nobody reads it")]
mod built {
    use super::{
        Anycast, Claim, Disputed, Doh, Edge, Entity, HttpDns, Network, Open, Overlay, Owner,
        Platform, Range, Resolver, Set, Source, ThirdPartyWeb, UnderThirdParty, V2fly, c, e, r,
    };

    include!(concat!(env!("OUT_DIR"), "/company.rs"));
}

/// What the tables are made of.
pub fn sets() -> &'static [Set] {
    &SETS
}

/// The SHA-256 of the tables as they were built.
pub fn built() -> &'static str {
    BUILT
}

/// The bytes of which that is the digest, as they are in memory now.
pub fn bytes(sink: &mut impl FnMut(&[u8])) {
    let tables = Tables {
        texts: [NAMES, TEXTS],
        starts: [&NAME_STARTS, &TEXT_STARTS],
        slots: &SLOTS,
        first_claim: &FIRST_CLAIM,
        claims: &CLAIMS,
        entities: &ENTITIES,
        v4: &V4,
        v6: &V6,
        networks: &NETWORKS,
        anycasts: &ANYCASTS,
        operators: &OPERATOR_ENTITIES,
        resolvers: &RESOLVERS,
    };
    feed(&tables, sink);
}

/// How many names, claims, entities, ranges, networks and resolvers there are.
pub fn counts() -> [(&'static str, usize); 6] {
    [
        ("names", NAME_STARTS.len() - 1),
        ("claims", CLAIMS.len()),
        ("companies and brands", ENTITIES.len()),
        ("ranges of addresses", V4.len() + V6.len()),
        ("autonomous systems", NETWORKS.len()),
        ("resolvers", RESOLVERS.len()),
    ]
}

/// The name with this number.
pub fn name(number: usize) -> &'static str {
    between(NAMES, &NAME_STARTS, number)
}

/// What is said of the name with this number.
pub fn claims(number: usize) -> &'static [Claim] {
    let from = usize::from(FIRST_CLAIM[number]);
    &CLAIMS[from..usize::from(FIRST_CLAIM[number + 1])]
}

pub fn text(number: u16) -> &'static str {
    between(TEXTS, &TEXT_STARTS, usize::from(number))
}

pub fn entity(number: u16) -> &'static Entity {
    &ENTITIES[usize::from(number)]
}

/// The company with this name.
pub fn company(name: &str) -> Option<u16> {
    let name_of = |number: &u16| text(entity(*number).name);
    let at = COMPANIES.binary_search_by_key(&name, name_of);
    at.ok().map(|at| COMPANIES[at])
}

pub fn source(number: u16) -> &'static Source {
    &SOURCES[usize::from(number)]
}

fn between(texts: &'static str, starts: &'static [u32], number: usize) -> &'static str {
    &texts[starts[number] as usize..starts[number + 1] as usize]
}
