//! The facts about destinations, for readers of a snapshot.

use std::{
    fmt::{Display, Write as _},
    net::IpAddr,
    sync::Arc,
};

use super::destinations::{Destinations, Places};
use crate::{
    day::day,
    enrich::{
        self, Anycast, COUNTRY_CONFIDENCE, Confidence, DATA_DATE, Databases, From, Network,
        Relation,
    },
    model::{About, Contact, Country, Destination, DestinationInfo, Fact, Facts, Row},
};

/// What a run knows, as of a snapshot.
#[derive(Debug)]
pub struct Explained {
    databases: &'static Databases,
    places: Arc<Places>,
}

impl Explained {
    pub fn new(destinations: &Destinations) -> Self {
        Self {
            databases: destinations.databases,
            places: Arc::clone(&destinations.places),
        }
    }
}

impl Facts for Explained {
    fn destination(&self, row: &Row) -> Option<DestinationInfo> {
        let mut info = DestinationInfo {
            company: row.company,
            parent: enrich::top(row.company).unwrap_or_default(),
            ..DestinationInfo::default()
        };
        let (address, several_networks, several_countries) = match &row.destination {
            Destination::Named { name, .. } => {
                info.role = enrich::role(name);
                let place = self.places.of(name);
                let several = place.map(|place| (place.several_networks, place.several_countries));
                let (networks, countries) = several.unwrap_or_default();
                (place.map(|place| place.address), networks, countries)
            }
            Destination::Address { address, .. } => (Some(*address), false, false),
            Destination::Other | Destination::Unknown => (None, false, false),
        };
        let network = address.filter(|_| !several_networks);
        let network = network.and_then(|address| self.databases.network(address));
        if let Some(network) = network {
            network.operator.clone_into(&mut info.network);
            info.asn = network.asn;
        }
        if let Some(address) = address.filter(|_| !several_countries) {
            info.country = self.databases.country(address);
        }
        if info == DestinationInfo::default() {
            return None;
        }
        info.data = self.days(network.as_ref(), info.country);
        Some(info)
    }

    fn contact(&self, contact: &Contact) -> Vec<Fact> {
        let mut facts = Vec::new();
        if let Some(name) = &contact.name {
            of_name(&mut facts, &name.text);
            let naming = contact.naming.as_deref();
            let chosen = naming.and_then(|naming| {
                let mut candidates = naming.candidates.iter();
                candidates.find(|candidate| candidate.name.text == name.text)
            });
            for alias in chosen.map_or(&[][..], |candidate| &candidate.chain) {
                delivered(&mut facts, &name.text, alias);
            }
        }
        if let Some(address) = contact.remote.address {
            self.of_address(&mut facts, address);
        }
        facts
    }

    fn country(&self, contact: &Contact) -> Country {
        let address = contact.remote.address;
        address.map_or_else(Country::default, |address| self.databases.country(address))
    }
}

impl Explained {
    fn days(&self, network: Option<&Network>, country: Country) -> String {
        let mut days = DATA_DATE.to_owned();
        for (kind, database) in self.databases.all() {
            let is_used = match kind {
                enrich::mmdb::Kind::Network => {
                    network.is_some_and(|network| matches!(network.from, From::Database(_)))
                }
                enrich::mmdb::Kind::Country => country != Country::default(),
            };
            if is_used {
                let _ = write!(days, " {} {}", kind.label(), day(database.summary().built));
            }
        }
        days
    }

    fn of_address(&self, facts: &mut Vec<Fact>, address: IpAddr) {
        if let Some(network) = self.databases.network(address) {
            let operator = network.operator;
            let value = if network.asn == 0 {
                operator.to_owned()
            } else {
                format!("AS{} {operator}", network.asn)
            };
            let (source, place, date, method) = match network.from {
                From::Database(database) => (
                    database.summary().name.clone(),
                    database.path().display().to_string(),
                    day(database.summary().built),
                    "the network from which the address is announced",
                ),
                From::Ranges(set) => (
                    set.title.to_owned(),
                    set.address.to_owned(),
                    set.date.to_owned(),
                    "a range that the operator publishes",
                ),
            };
            facts.push(Fact {
                about: About::Network,
                value,
                of: address.to_string(),
                source,
                address: place,
                date,
                method,
                confidence: Confidence::Medium.label(),
            });
            if let Some((company, source)) = network.company() {
                let of: &dyn Display = if network.asn == 0 {
                    &operator
                } else {
                    &format_args!("AS{}", network.asn)
                };
                let method = "whose network it is, which says nothing of who controls a name there";
                facts.push(read(
                    About::NetworkCompany,
                    company.company,
                    of,
                    source,
                    method,
                    Confidence::Medium,
                ));
                parents(facts, company.company);
            }
        }
        let Some(located) = self.databases.located(address) else {
            return;
        };
        let database = located.database;
        let from_database = |about, value: &str, method| Fact {
            about,
            value: value.to_owned(),
            of: address.to_string(),
            source: database.summary().name.clone(),
            address: database.path().display().to_string(),
            date: day(database.summary().built),
            method,
            confidence: COUNTRY_CONFIDENCE.label(),
        };
        facts.push(from_database(
            About::Country,
            located.country.label(),
            "where the address is registered or located",
        ));
        let many = "the address is at many places, so its country says nothing";
        match located.anycast {
            None => {}
            Some(Anycast::Database) => facts.push(from_database(About::Anycast, "yes", many)),
            Some(Anycast::Operator(source)) => {
                facts.push(read(
                    About::Anycast,
                    "yes",
                    &address,
                    source,
                    many,
                    Confidence::Medium,
                ));
            }
        }
    }
}

/// A fact of the embedded tables.
fn read(
    about: About,
    value: &str,
    of: &dyn Display,
    source: &enrich::Source,
    method: &'static str,
    confidence: Confidence,
) -> Fact {
    Fact {
        about,
        value: value.to_owned(),
        of: of.to_string(),
        source: source.title.to_owned(),
        address: source.address.to_owned(),
        date: source.date.to_owned(),
        method,
        confidence: confidence.label(),
    }
}

fn of_name(facts: &mut Vec<Fact>, name: &str) {
    let known = enrich::facts(name);
    for claim in &known.claims {
        let about = match claim.value.relation {
            Relation::Platform if claim.value.pattern != name => About::Platform,
            // Who uses a name of another does not control it.
            Relation::UnderThirdParty => continue,
            _ => About::Owner,
        };
        let (value, of) = (claim.value.owner.company, claim.value.pattern);
        facts.push(read(
            about,
            value,
            &of,
            claim.source,
            claim.method,
            claim.confidence,
        ));
    }
    for edge in &known.ownerships {
        facts.push(parent(edge));
    }
}

/// A name to which another one was an alias says who delivers, where that is another one.
fn delivered(facts: &mut Vec<Fact>, name: &str, alias: &str) {
    let known = enrich::facts(alias);
    let by = known
        .owner
        .or(known.platform.and_then(|platform| platform.owner));
    let owner = enrich::owner(name);
    let Some(by) = by.filter(|by| owner.map(|owner| owner.company) != Some(by.company)) else {
        return;
    };
    let claims = known.claims.iter();
    let mut claims = claims.filter(|claim| claim.value.owner.company == by.company);
    if let Some(claim) = claims.next_back() {
        facts.push(read(
            About::DeliveredBy,
            by.company,
            &alias,
            claim.source,
            "the name is an alias of one of theirs",
            claim.confidence,
        ));
        for edge in &known.ownerships {
            let fact = parent(edge);
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
    }
}

fn parents(facts: &mut Vec<Fact>, company: &str) {
    for edge in enrich::parents(company) {
        let fact = parent(&edge);
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }
}

fn parent(edge: &enrich::Fact<enrich::OwnershipFact>) -> Fact {
    read(
        About::Parent,
        edge.value.parent,
        &edge.value.child,
        edge.source,
        edge.method,
        edge.confidence,
    )
}

#[cfg(test)]
mod tests;
