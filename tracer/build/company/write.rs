//! The table as Rust source: arrays of numbers, and texts one after the other, so that nothing is made at the start.

use sha2::{Digest, Sha256};

use super::layout::{
    Anycast, Claim, EMPTY, Network, Range, Resolver, START, Tables, feed, slot, step,
};
use super::lock::{Lock, Set, hex};
use super::merge::{Merged, OwnedEdge, OwnedSource, narrow};
use super::ranges::Ranges;

pub fn source(lock: &Lock, merged: &Merged, ranges: &Ranges) -> Result<String, String> {
    let names: Vec<&str> = merged.claims.keys().map(String::as_str).collect();
    let texts: Vec<&str> = merged.texts.all.iter().map(String::as_str).collect();
    let (names_joined, name_starts) = joined(&names);
    let (texts_joined, text_starts) = joined(&texts);
    let slots = slots(&names)?;
    let claims: Vec<Claim> = merged.claims.values().flatten().copied().collect();
    let mut first_claim = vec![0];
    let mut count = 0;
    for claims in merged.claims.values() {
        count += claims.len();
        first_claim.push(narrow(count)?);
    }
    let networks: Vec<Network> = merged.networks.values().copied().collect();
    let operators: Vec<u16> = ranges
        .operators
        .iter()
        .map(|(_, id)| match merged.ids.get(*id) {
            Some(number) => Ok(*number),
            None if id.is_empty() => Ok(EMPTY),
            None => Err(format!("data/ip: {id:?} is no entity of entities.toml")),
        })
        .collect::<Result<_, _>>()?;
    let resolvers: Vec<Resolver> = merged
        .resolvers
        .iter()
        .map(|resolver| Resolver {
            name: &resolver.name,
            kind: resolver.kind,
            exact: resolver.exact,
            list: resolver.list,
            source: resolver.source,
        })
        .collect();
    // By name, so that one is found by halves.
    let of_entity = |number: &u16| &merged.entities[usize::from(*number)];
    let mut companies: Vec<u16> = (0..narrow(merged.entities.len())?)
        .filter(|number| of_entity(number).company == *number)
        .collect();
    companies.sort_by_key(|number| texts[usize::from(of_entity(number).name)]);
    let mut digest = Sha256::new();
    let tables = Tables {
        texts: [&names_joined, &texts_joined],
        starts: [&name_starts, &text_starts],
        slots: &slots,
        first_claim: &first_claim,
        claims: &claims,
        entities: &merged.entities,
        v4: &ranges.v4,
        v6: &ranges.v6,
        networks: &networks,
        anycasts: &merged.anycasts,
        operators: &operators,
        resolvers: &resolvers,
    };
    feed(&tables, &mut |bytes| digest.update(bytes));
    let all = [
        format!("pub const DATE: &str = {:?};", lock.date),
        format!("pub static BUILT: &str = {:?};", hex(&digest.finalize())),
        format!("pub static NAMES: &str = {names_joined:?};"),
        array("NAME_STARTS", "u32", name_starts.iter(), u32::to_string),
        format!("pub static TEXTS: &str = {texts_joined:?};"),
        array("TEXT_STARTS", "u32", text_starts.iter(), u32::to_string),
        array("SLOTS", "u16", slots.iter(), u16::to_string),
        array("FIRST_CLAIM", "u16", first_claim.iter(), u16::to_string),
        array("CLAIMS", "Claim", claims.iter(), claim),
        array("ENTITIES", "Entity", merged.entities.iter(), |entity| {
            format!(
                "e({},{},{},{})",
                entity.name, entity.company, entity.root, entity.source
            )
        }),
        array("COMPANIES", "u16", companies.iter(), u16::to_string),
        array("EDGES", "Edge", merged.edges.iter(), edge),
        array("SOURCES", "Source", merged.sources.iter(), source_of),
        array("OPERATORS", "&str", ranges.operators.iter(), |operator| {
            format!("{:?}", operator.0)
        }),
        array("OPERATOR_ENTITIES", "u16", operators.iter(), u16::to_string),
        array("NETWORKS", "Network", networks.iter().copied(), network),
        array(
            "ANYCASTS",
            "Anycast",
            merged.anycasts.iter().copied(),
            anycast,
        ),
        array("V4", "Range<u32>", ranges.v4.iter(), range),
        array("V6", "Range<u128>", ranges.v6.iter(), range),
        array("RESOLVERS", "Resolver<'static>", resolvers.iter(), resolver),
        array("SETS", "Set", lock.set.iter(), set),
    ];
    Ok(all.join("\n"))
}

fn array<Item>(
    name: &str,
    kind: &str,
    items: impl ExactSizeIterator<Item = Item>,
    text: impl Fn(Item) -> String,
) -> String {
    let count = items.len();
    let items: Vec<String> = items.map(text).collect();
    format!(
        "pub static {name}: [{kind}; {count}] = [{}];",
        items.join(",")
    )
}

/// All texts in one, and where each begins.
fn joined(all: &[&str]) -> (String, Vec<u32>) {
    let mut text = String::new();
    let mut starts = vec![0];
    for one in all {
        text.push_str(one);
        starts.push(text.len() as u32);
    }
    (text, starts)
}

/// A table of hashes, at most half full: the number of the name there.
fn slots(names: &[&str]) -> Result<Vec<u16>, String> {
    let size = (names.len() * 2).next_power_of_two();
    let mut slots = vec![EMPTY; size];
    for (number, name) in names.iter().enumerate() {
        let mut at = slot(name.bytes().rev().fold(START, step), size);
        while slots[at] != EMPTY {
            at = (at + 1) & (size - 1);
        }
        slots[at] = narrow(number)?;
    }
    Ok(slots)
}

fn claim(claim: &Claim) -> String {
    let Claim {
        entity,
        source,
        detail,
        relation,
        table,
        exact,
        role,
    } = claim;
    format!("c({entity},{source},{detail},{relation:?},{table:?},{exact},{role})")
}

fn network(network: Network) -> String {
    let Network {
        asn,
        entity,
        source,
    } = network;
    format!("Network {{ asn: {asn}, entity: {entity}, source: {source} }}")
}

fn anycast(anycast: Anycast) -> String {
    let Anycast { entity, source } = anycast;
    format!("Anycast {{ entity: {entity}, source: {source} }}")
}

fn edge(edge: &OwnedEdge) -> String {
    let [from, to, share] = &edge.texts;
    format!(
        "Edge {{ child: {}, parent: {}, from: {from:?}, to: {to:?}, share: {share:?}, source: {} }}",
        edge.child, edge.parent, edge.source
    )
}

fn source_of(source: &OwnedSource) -> String {
    let [title, address, date, read, by, licence] = &source.0;
    format!(
        "Source {{ title: {title:?}, address: {address:?}, date: {date:?}, read: {read:?}, by: {by:?}, licence: {licence:?} }}"
    )
}

fn range<Address: std::fmt::Display>(range: &Range<Address>) -> String {
    format!(
        "Range {{ first: {}, last: {}, network: {}, user: {} }}",
        range.first, range.last, range.network, range.user
    )
}

fn resolver(resolver: &Resolver) -> String {
    let Resolver {
        name,
        kind,
        exact,
        list,
        source,
    } = resolver;
    format!("r({name:?},{kind:?},{exact},{list},{source})")
}

/// Of the lock: set, version, date, licence, and each file with its digest.
fn set(set: &Set) -> String {
    let files: Vec<String> = set
        .file
        .iter()
        .map(|file| format!("({:?}, {:?})", file.path, file.sha256))
        .collect();
    format!(
        "Set {{ name: {:?}, title: {:?}, address: {:?}, version: {:?}, date: {:?}, licence: {:?}, files: &[{}] }}",
        set.name,
        set.title,
        set.address,
        set.version,
        set.date,
        set.licence,
        files.join(",")
    )
}
