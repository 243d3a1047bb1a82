//! `tracer data show`: everything that is known of a name or an address.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::super::{COULD_NOT_RUN, DONE, NO, databases};
use super::{answer, place::Place};
use crate::enrich::{
    ClaimFact, DATA_DATE, Fact, NameFacts, Owner, Relation, ResolverFact, ResolverKind, Source,
    State, facts, role,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// A host name, or an address.
    what: String,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    databases: databases::Paths,
}

pub fn show(arguments: &Arguments) -> u8 {
    let what = arguments
        .what
        .trim()
        .trim_end_matches('.')
        .to_ascii_lowercase();
    if let Ok(address) = what.parse::<IpAddr>() {
        let databases = match arguments.databases.open() {
            Ok(databases) => databases,
            Err(fault) => {
                eprintln!("tracer: {fault:#}");
                return COULD_NOT_RUN;
            }
        };
        let place = Place::of(&databases, address);
        if arguments.json {
            answer(&format!("{:#}\n", place.as_json()));
        } else {
            answer(&place.as_text());
        }
        return if place.is_known() { DONE } else { NO };
    }
    if !is_host_name(&what) {
        eprintln!(
            "tracer: {:?} is neither a host name nor an address",
            arguments.what
        );
        eprintln!(
            "hint: give a name without scheme, port or path; a name with other letters in its A-label (xn--…)"
        );
        return COULD_NOT_RUN;
    }
    let facts = facts(&what);
    if arguments.json {
        answer(&format!("{:#}\n", name_as_json(&what, &facts)));
    } else {
        answer(&name_as_text(&what, &facts));
    }
    if facts.owner.is_some() { DONE } else { NO }
}

fn is_host_name(text: &str) -> bool {
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(fits)
}

/// What the state means for a reader.
fn why(facts: &NameFacts) -> &'static str {
    match facts.state {
        State::Known if facts.conflict => {
            "known: the most trusted source decides, others say otherwise"
        }
        State::Known => "known",
        State::Unknown => "unknown: no source has this name",
        State::Tenant => {
            "unknown: a customer's name below a shared platform, and no source says whose"
        }
        State::Conflict => "unknown: the sources contradict each other",
        State::Open => "unknown: it is not settled who controls the name",
    }
}

fn name_as_text(name: &str, facts: &NameFacts) -> String {
    let mut text = format!(
        "{name}\n  owner      {}\n",
        facts
            .owner
            .map_or_else(|| why(facts).to_owned(), |owner| shown(&owner))
    );
    if facts.owner.is_some() && facts.conflict {
        let _ = writeln!(text, "             {}", why(facts));
    }
    if !role(name).is_empty() {
        let _ = writeln!(text, "  role       {}", role(name));
    }
    if let Some(platform) = facts.platform {
        let by = platform
            .owner
            .map_or_else(|| "unknown".to_owned(), |owner| shown(&owner));
        let _ = writeln!(text, "  platform   {}, run by: {by}", platform.suffix);
    }
    if let Some(fact) = &facts.resolver {
        let resolver = &fact.value;
        let _ = writeln!(
            text,
            "  resolver   {}{}: {}\n             in {}",
            resolver.pattern,
            below(resolver.exact),
            kind(resolver),
            resolver.part
        );
        source(&mut text, fact);
    }
    for fact in &facts.claims {
        let claim = &fact.value;
        let _ = writeln!(
            text,
            "  {:<10} {}{}: {}",
            relation(claim),
            claim.pattern,
            below(claim.exact),
            shown(&claim.owner)
        );
        if !claim.part.is_empty() {
            let _ = writeln!(text, "             in {}", claim.part);
        }
        source(&mut text, fact);
        let _ = writeln!(text, "             the company: {}", dated(claim.known_by));
    }
    for fact in &facts.ownerships {
        let edge = &fact.value;
        let share = if edge.share.is_empty() {
            String::new()
        } else {
            format!(" {} % of", edge.share)
        };
        let since = if edge.from.is_empty() {
            String::new()
        } else {
            format!(" since {}", edge.from)
        };
        let until = if edge.to.is_empty() {
            String::new()
        } else {
            format!(" until {}", edge.to)
        };
        let _ = writeln!(
            text,
            "  ownership  {} owns{share} {}{since}{until}",
            edge.parent, edge.child
        );
        source(&mut text, fact);
    }
    let _ = writeln!(text, "  data of    {DATA_DATE}");
    text
}

fn below(exact: bool) -> &'static str {
    if exact { "" } else { " and what lies below" }
}

/// As the label `kind` of `tracer_resolver_bypass_total` has it.
fn kind(resolver: &ResolverFact) -> &'static str {
    match resolver.kind {
        ResolverKind::Doh => "doh",
        ResolverKind::HttpDns => "httpdns",
    }
}

fn source<Value>(text: &mut String, fact: &Fact<Value>) {
    let _ = writeln!(
        text,
        "             {} ({}, confidence {})",
        dated(fact.source),
        fact.method,
        fact.confidence.label()
    );
    let _ = writeln!(text, "             {}", fact.source.address);
}

pub fn dated(source: &Source) -> String {
    let date = if source.date.is_empty() {
        "undated"
    } else {
        source.date
    };
    format!("{}, {date}, read {}", source.title, source.read)
}

pub fn shown(owner: &Owner) -> String {
    let brand = owner
        .brand
        .map_or_else(String::new, |brand| format!(" ({brand})"));
    let parent = owner
        .parent
        .map_or_else(String::new, |parent| format!(", a {parent} company"));
    format!("{}{brand}{parent}", owner.company)
}

fn relation(claim: &ClaimFact) -> &'static str {
    match claim.relation {
        Relation::Owner => "controls",
        Relation::Platform => "shared",
        Relation::Disputed => "disputed",
        Relation::Open => "open",
        Relation::UnderThirdParty => "used",
    }
}

fn name_as_json(name: &str, facts: &NameFacts) -> Value {
    let claims: Vec<Value> = facts.claims.iter().map(|fact| {
        let claim = &fact.value;
        json!({
            "pattern": claim.pattern, "exact": claim.exact, "relation": relation(claim), "owner": owner_as_json(Some(claim.owner)),
            "part": claim.part, "company_source": source_as_json(claim.known_by),
            "source": source_as_json(fact.source), "method": fact.method, "confidence": fact.confidence.label(),
        })
    }).collect();
    let ownerships: Vec<Value> = facts.ownerships.iter().map(|fact| {
        let edge = &fact.value;
        json!({
            "child": edge.child, "parent": edge.parent, "from": text(edge.from), "to": text(edge.to), "share": text(edge.share),
            "source": source_as_json(fact.source), "method": fact.method, "confidence": fact.confidence.label(),
        })
    }).collect();
    json!({
        "name": name,
        "owner": owner_as_json(facts.owner),
        "why": why(facts),
        "role": text(role(name)),
        "conflict": facts.conflict,
        "platform": facts.platform.map(|platform| json!({ "suffix": platform.suffix, "owner": owner_as_json(platform.owner) })),
        "resolver": facts.resolver.as_ref().map(|fact| json!({
            "pattern": fact.value.pattern, "exact": fact.value.exact, "kind": kind(&fact.value), "part": fact.value.part,
            "source": source_as_json(fact.source), "method": fact.method, "confidence": fact.confidence.label(),
        })),
        "claims": claims,
        "ownerships": ownerships,
        "data": DATA_DATE,
    })
}

pub fn owner_as_json(owner: Option<Owner>) -> Value {
    owner.map_or(
        Value::Null,
        |owner| json!({ "company": owner.company, "parent": owner.parent, "brand": owner.brand }),
    )
}

pub fn source_as_json(source: &Source) -> Value {
    json!({
        "title": source.title, "address": source.address, "date": text(source.date), "read": source.read,
        "kind": source.by, "licence": text(source.licence),
    })
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
