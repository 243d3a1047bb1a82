//! Whom did an app talk to, as far as the tracer's facts say?

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::counts::Counts;
use super::told::Contact;

/// One thing that a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub about: String,
    pub value: String,
    pub of: String,
    pub source: String,
    pub date: String,
}

/// All contacts of an app with one destination over one protocol.
#[derive(Debug)]
pub struct Destination {
    pub name: String,
    pub name_source: String,
    pub company: Option<String>,
    pub counts: Counts,
    pub facts: Vec<Fact>,
}

/// Who receives what is sent to a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// A company, and who delivers for it, where a chain of aliases says so.
    Owner(String, Option<String>),
    /// A customer of a platform, which is a name and a company. No source says which customer.
    Tenant(String, String),
    /// Sources name several.
    Disputed(Vec<String>),
    /// No source says it.
    Unknown,
    /// There is no name of which anybody could say it.
    Unnamed,
}

impl Destination {
    pub fn whom(&self) -> Whom {
        if self.name_source == "none" {
            return Whom::Unnamed;
        }
        let first = |about: &str| self.facts.iter().find(|fact| fact.about == about);
        if let Some(company) = &self.company {
            let delivered = first("delivered_by").map(|fact| fact.value.clone());
            return Whom::Owner(company.clone(), delivered);
        }
        let owners: BTreeSet<&String> = self.values("owner").collect();
        let platforms: BTreeSet<&String> = self.values("platform").collect();
        match (owners.len(), first("platform")) {
            (0, Some(fact)) if platforms.len() == 1 => {
                Whom::Tenant(fact.of.clone(), fact.value.clone())
            }
            (0, None) => Whom::Unknown,
            _ => Whom::Disputed(owners.union(&platforms).copied().cloned().collect()),
        }
    }

    fn values(&self, about: &str) -> impl Iterator<Item = &String> {
        let facts = self.facts.iter().filter(move |fact| fact.about == about);
        facts.map(|fact| &fact.value)
    }
}

/// Contacts by destination and protocol, those to which most was sent first.
pub fn seen(contacts: Vec<Contact>) -> Vec<Destination> {
    let mut all: BTreeMap<_, Destination> = BTreeMap::new();
    for contact in contacts {
        let (_, name, _) = &contact.key;
        let destination = Destination {
            name: name.clone(),
            name_source: contact.name_source,
            company: contact.company,
            counts: Counts::default(),
            facts: contact.facts.iter().map(fact).collect(),
        };
        let of_name = all.entry(contact.key).or_insert(destination);
        of_name.counts += contact.counts;
    }
    let mut all: Vec<Destination> = all.into_values().collect();
    all.sort_by_key(|destination| std::cmp::Reverse(destination.counts.sent));
    all
}

fn fact(value: &Value) -> Fact {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    Fact {
        about: text("about"),
        value: text("value"),
        of: text("of"),
        source: text("source"),
        date: text("date"),
    }
}
