//! What was read by hand: `sources.toml`, `entities.toml`, `domains.toml`, `networks.toml`. A line without a source is refused.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// All four files.
#[derive(Default)]
pub struct Overlay {
    pub sources: Vec<Source>,
    pub entities: Vec<Entity>,
    pub ownerships: Vec<Ownership>,
    pub domains: Vec<Domain>,
    pub excludes: Vec<Exclude>,
    pub networks: Vec<Network>,
    pub anycasts: Vec<Anycast>,
}

/// Something that was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub id: String,
    pub title: String,
    pub address: String,
    /// The date it carries, where it carries one.
    #[serde(default)]
    pub date: String,
    /// The day it was read.
    pub read: String,
    pub by: By,
    /// What it says, in short.
    pub says: String,
}

/// What kind of source it is, which decides how far it is believed.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Vendor,
    Code,
    List,
    Press,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    pub id: String,
    pub name: String,
    pub kind: Kind,
    /// The entities of the v2fly tables that are this one.
    #[serde(default)]
    pub v2fly: Vec<String>,
    /// Single lists of the v2fly tables that are this one, whatever their entity.
    #[serde(default)]
    pub lists: Vec<String>,
    /// Companies or names of third-party-web that are this one.
    #[serde(default)]
    pub third_party_web: Vec<String>,
    /// Who says that customers' names lie below the names of the tables.
    #[serde(default)]
    pub delivers: Option<String>,
    pub source: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Company,
    Brand,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ownership {
    pub child: String,
    pub parent: String,
    #[serde(default)]
    pub from: String,
    #[serde(default)]
    pub to: String,
    /// In percent.
    #[serde(default)]
    pub share: String,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    pub name: String,
    pub entity: String,
    #[serde(default)]
    pub relation: Relation,
    #[serde(default)]
    pub exact: bool,
    pub source: String,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    #[default]
    Owner,
    Platform,
    Disputed,
    Open,
}

/// A row of a table that is not taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclude {
    pub name: String,
    pub because: String,
    pub source: String,
}

/// Whose an autonomous system is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    pub asn: u32,
    pub entity: String,
    pub source: String,
}

/// Who announces the same addresses at many places, so that they are in no one country.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anycast {
    pub entity: String,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    source: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entities {
    #[serde(default)]
    entity: Vec<Entity>,
    #[serde(default)]
    ownership: Vec<Ownership>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Domains {
    #[serde(default)]
    domain: Vec<Domain>,
    #[serde(default)]
    exclude: Vec<Exclude>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Networks {
    #[serde(default)]
    network: Vec<Network>,
    #[serde(default)]
    anycast: Vec<Anycast>,
}

/// Reads the four files and checks them.
pub fn read(data: &Path) -> Result<Overlay, String> {
    parse(
        &super::text(data, "sources.toml")?,
        &super::text(data, "entities.toml")?,
        &super::text(data, "domains.toml")?,
        &super::text(data, "networks.toml")?,
    )
}

/// Of the four texts.
pub fn parse(
    sources: &str,
    entities: &str,
    domains: &str,
    networks: &str,
) -> Result<Overlay, String> {
    let Sources { source } = toml_of("sources.toml", sources)?;
    let Entities { entity, ownership } = toml_of("entities.toml", entities)?;
    let Domains { domain, exclude } = toml_of("domains.toml", domains)?;
    let Networks { network, anycast } = toml_of("networks.toml", networks)?;
    let overlay = Overlay {
        sources: source,
        entities: entity,
        ownerships: ownership,
        domains: domain,
        excludes: exclude,
        networks: network,
        anycasts: anycast,
    };
    super::check::check(&overlay)?;
    Ok(overlay)
}

fn toml_of<File: DeserializeOwned>(name: &str, text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| format!("data/{name}: {error}"))
}
