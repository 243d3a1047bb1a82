//! What `tracer data show` says of an address.

use std::{fmt::Write as _, net::IpAddr};

use serde_json::{Value, json};

use super::show::{dated, owner_as_json, shown, source_as_json};
use super::visible;
use crate::{
    day::day,
    enrich::{
        Anycast, COUNTRY_CONFIDENCE, DATA_DATE, Databases, From, Located, Network, mmdb::Database,
    },
};

/// In whose network an address is, and in which country.
pub struct Place<'data> {
    address: IpAddr,
    network: Option<Network<'data>>,
    located: Option<Located<'data>>,
}

impl<'data> Place<'data> {
    pub fn of(databases: &'data Databases, address: IpAddr) -> Self {
        Self {
            address,
            network: databases.network(address),
            located: databases.located(address),
        }
    }

    pub fn is_known(&self) -> bool {
        self.network.is_some() || self.located.is_some()
    }

    pub fn as_text(&self) -> String {
        let mut text = format!("{}\n", self.address);
        match &self.network {
            None => text.push_str(
                "  network    unknown: neither a database nor a published range has it\n",
            ),
            Some(network) => {
                let number = if network.asn == 0 {
                    String::new()
                } else {
                    format!("AS{} ", network.asn)
                };
                let used = network.user.map_or_else(String::new, |user| {
                    format!(", a part that {user} publishes as used by it")
                });
                let _ = writeln!(
                    text,
                    "  network    {number}{}{used}",
                    visible(network.operator)
                );
                match network.from {
                    From::Database(database) => of_database(&mut text, database),
                    From::Ranges(set) => {
                        let _ = writeln!(
                            text,
                            "             {}, {} (ranges that operators publish)\n             {}",
                            set.title, set.date, set.address
                        );
                    }
                }
                if let Some((company, source)) = network.company() {
                    let _ = writeln!(
                        text,
                        "  run by     {}\n             {}\n             {}",
                        shown(&company),
                        dated(source),
                        source.address
                    );
                }
            }
        }
        match &self.located {
            None => text.push_str("  country    unknown: no database has it\n"),
            Some(located) => {
                let country = located.country.label();
                let _ = match located.anycast {
                    None => writeln!(
                        text,
                        "  country    {country}, where it is registered or located (confidence {})",
                        COUNTRY_CONFIDENCE.label()
                    ),
                    Some(_) => writeln!(
                        text,
                        "  country    none: the address is at many places (the database says {country})"
                    ),
                };
                if let Some(Anycast::Operator(source)) = located.anycast {
                    let _ = writeln!(
                        text,
                        "             {}\n             {}",
                        dated(source),
                        source.address
                    );
                }
                of_database(&mut text, located.database);
            }
        }
        let _ = writeln!(
            text,
            "  owner      an address says nothing of who controls a name\n  data of    {DATA_DATE}"
        );
        text
    }

    pub fn as_json(&self) -> Value {
        let network = self.network.as_ref().map(|network| {
            let source = match network.from {
                From::Database(database) => database_as_json(database),
                From::Ranges(set) => json!({
                    "title": set.title, "address": set.address, "date": set.date, "version": set.version,
                    "licence": set.licence,
                }),
            };
            json!({
                "operator": network.operator,
                "user": network.user,
                "asn": (network.asn != 0).then_some(network.asn),
                "company": owner_as_json(network.company().map(|(company, _)| company)),
                "company_source": network.company().map(|(_, source)| source_as_json(source)),
                "source": source,
            })
        });
        let country = self.located.as_ref().map(|located| {
            let anycast = match located.anycast {
                None => Value::Null,
                Some(Anycast::Database) => database_as_json(located.database),
                Some(Anycast::Operator(source)) => source_as_json(source),
            };
            json!({
                "code": located.label().label(),
                "said": located.country.label(),
                "anycast": located.anycast.is_some(),
                "anycast_source": anycast,
                "confidence": COUNTRY_CONFIDENCE.label(),
                "source": database_as_json(located.database),
            })
        });
        json!({ "address": self.address, "network": network, "country": country, "data": DATA_DATE })
    }
}

fn of_database(text: &mut String, database: &Database) {
    let summary = database.summary();
    let _ = writeln!(
        text,
        "             {} of {}\n             {}",
        visible(&summary.name),
        day(summary.built),
        database.path().display()
    );
}

fn database_as_json(database: &Database) -> Value {
    let summary = database.summary();
    json!({
        "title": summary.name, "address": database.path().display().to_string(), "date": day(summary.built), "schema": summary.schema.label(),
    })
}
