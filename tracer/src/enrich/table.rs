//! The embedded tables, as the build script writes them, and their texts.

use super::layout::{Claim, Edge, Entity, Range, Relation, Source, Table, Tables, feed};
use Relation::{Disputed, Open, Owner, Platform, UnderThirdParty};
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
) -> Claim {
    Claim {
        entity,
        source,
        detail,
        relation,
        table,
        exact,
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

pub use built::*;

#[expect(clippy::unreadable_literal, reason = "nobody reads it")]
mod built {
    use super::{
        Claim, Disputed, Edge, Entity, Open, Overlay, Owner, Platform, Range, Set, Source,
        ThirdPartyWeb, UnderThirdParty, V2fly, c, e,
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
    };
    feed(&tables, sink);
}

/// How many names, claims, entities and ranges there are.
pub fn counts() -> [(&'static str, usize); 4] {
    [
        ("names", NAME_STARTS.len() - 1),
        ("claims", CLAIMS.len()),
        ("companies and brands", ENTITIES.len()),
        ("ranges of addresses", V4.len() + V6.len()),
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

pub fn source(number: u16) -> &'static Source {
    &SOURCES[usize::from(number)]
}

fn between(texts: &'static str, starts: &'static [u32], number: usize) -> &'static str {
    &texts[starts[number] as usize..starts[number + 1] as usize]
}
