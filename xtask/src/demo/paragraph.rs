//! What is to be said of an app's contacts, in words that say no more than the facts do?
//!
//! Who controls a name receives what is sent there, and whoever owns the infrastructure does not: that is said, and only that. Below a
//! platform the tenant is unknown, and stays so.

use std::collections::{BTreeMap, BTreeSet};

use super::counts::Counts;
use super::seen::{Destination, Fact, Whom};

#[cfg(test)]
mod tests;

/// What an app did, and what was lost of what the tracer is to see.
pub fn paragraph(app: &str, destinations: &[Destination], lost: u64) -> String {
    let mut sum = Counts::default();
    let mut groups: BTreeMap<Whom, Vec<&Destination>> = BTreeMap::new();
    for destination in destinations {
        sum += destination.counts;
        groups
            .entry(destination.whom())
            .or_default()
            .push(destination);
    }
    let mut sentences = vec![format!(
        "{app} began {}, sent {} bytes and received {}.",
        connections(sum),
        number(sum.sent),
        number(sum.received)
    )];
    sentences.extend(
        groups
            .iter()
            .map(|(whom, destinations)| group(whom, destinations)),
    );
    sentences.push(match lost {
        0 => "Nothing was lost.".to_owned(),
        lost => format!("{} were lost, so this may be too little.", number(lost)),
    });
    sentences.join(" ")
}

/// What went to one of those.
fn group(whom: &Whom, destinations: &[&Destination]) -> String {
    let mut sum = Counts::default();
    for destination in destinations {
        sum += destination.counts;
    }
    let facts: Vec<&Fact> = destinations
        .iter()
        .flat_map(|destination| &destination.facts)
        .collect();
    let names: Vec<String> = destinations
        .iter()
        .map(|destination| format!("{} ({})", destination.name, evidence(destination)))
        .collect();
    let (to, because) = recipient(whom, &facts);
    format!(
        "Sent {to}: {} bytes in {}, and {} received: {}{because}.",
        number(sum.sent),
        connections(sum),
        number(sum.received),
        names.join(", ")
    )
}

/// To whom it was sent, and by what that is known.
fn recipient(whom: &Whom, facts: &[&Fact]) -> (String, String) {
    match whom {
        Whom::Owner(company, None) => (
            format!("to {}", with_parents(company, facts)),
            format!("; owner known ({})", sources("owner", company, facts)),
        ),
        Whom::Owner(company, Some(by)) => (
            format!(
                "to {}, on infrastructure of {}",
                with_parents(company, facts),
                with_parents(by, facts)
            ),
            format!(
                "; owner known ({}), deliverer known by the aliases ({})",
                sources("owner", company, facts),
                sources("delivered_by", by, facts)
            ),
        ),
        Whom::Tenant(platform, company) => (
            format!(
                "to names below {platform}, a platform of {}",
                with_parents(company, facts)
            ),
            format!(
                "; platform known ({}), tenant unknown",
                sources("platform", company, facts)
            ),
        ),
        Whom::Disputed(companies) => (
            format!(
                "to names of which sources contradict each other ({})",
                companies.join(", ")
            ),
            String::new(),
        ),
        Whom::Unknown => (
            "to names whose owner no source tells".to_owned(),
            String::new(),
        ),
        Whom::Unnamed => ("to addresses without a name".to_owned(), String::new()),
    }
}

/// A company, and whose it is, each edge with who says it and of which day that is.
fn with_parents(company: &str, facts: &[&Fact]) -> String {
    let mut edges = facts
        .iter()
        .filter(|fact| fact.about == "parent" && fact.of == company);
    edges.next().map_or_else(
        || company.to_owned(),
        |edge| {
            format!(
                "{company} (a {} company, says {})",
                edge.value,
                source(edge)
            )
        },
    )
}

/// Who says something of a company, each once.
fn sources(about: &str, company: &str, facts: &[&Fact]) -> String {
    let said = facts
        .iter()
        .filter(|fact| fact.about == about && fact.value == company);
    let said: BTreeSet<String> = said.map(|fact| source(fact)).collect();
    let said: Vec<String> = said.into_iter().collect();
    said.join(" and ")
}

fn source(fact: &Fact) -> String {
    let date = if fact.date.is_empty() {
        "undated"
    } else {
        &fact.date
    };
    let words: Vec<&str> = fact.source.split(' ').map(short).collect();
    format!("{}, {date}", words.join(" "))
}

/// A commit in as few digits as git shows, and any other word whole.
fn short(word: &str) -> &str {
    let is_commit = word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { &word[..7] } else { word }
}

/// What another app did at the same time, and whether with the same names.
pub fn beside(app: &str, destinations: &[Destination], of_first: &[Destination]) -> String {
    let mut sum = Counts::default();
    let mut shared = Vec::new();
    let named = destinations
        .iter()
        .filter(|destination| destination.whom() != Whom::Unnamed);
    for destination in named {
        sum += destination.counts;
        if of_first.iter().any(|first| first.name == destination.name) {
            shared.push(&*destination.name);
        }
    }
    let shared = if shared.is_empty() {
        "none of these names".to_owned()
    } else {
        shared.join(", ")
    };
    format!(
        "Beside it {app} began {} with names, and shares {shared}.",
        connections(sum)
    )
}

/// By what the name is known.
fn evidence(destination: &Destination) -> &str {
    match &*destination.name_source {
        "sni" => "by TLS",
        "quic" => "by QUIC",
        "lookup" => "by its own look-up",
        "dns" => "by a look-up",
        _ => "no name",
    }
}

fn connections(counts: Counts) -> String {
    match counts.contacts {
        1 => "1 connection".to_owned(),
        several => format!("{} connections", number(several)),
    }
}

/// A number with its thousands apart.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
