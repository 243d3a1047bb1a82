//! Which claims are there of which name, once all tables speak of the same entities?

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::layout::{Anycast, Claim, Entity, Network, Relation, Table};
use super::lock::Lock;
use super::overlay::{self, By, Kind, Overlay};
use super::resolvers::{self, OwnedResolver};
use super::rows;
use super::settle::{bounded, roots, settle};
use super::take::take;

/// The tables of others, in the order in which they are read.
const TABLES: [(&str, &str, Table); 3] = [
    ("v2fly-owners.tsv", "v2fly", Table::V2fly),
    ("v2fly-companies.tsv", "v2fly", Table::V2fly),
    (
        "third-party-web.tsv",
        "third-party-web",
        Table::ThirdPartyWeb,
    ),
];

/// All that is embedded, save the addresses.
#[derive(Default)]
pub struct Merged {
    /// By name, so that the order of the table does not change from build to build.
    pub claims: BTreeMap<String, Vec<Claim>>,
    pub entities: Vec<Entity>,
    pub edges: Vec<OwnedEdge>,
    pub sources: Vec<OwnedSource>,
    pub texts: Texts,
    /// By number, so that one is found by halves.
    pub networks: BTreeMap<u32, Network>,
    pub anycasts: Vec<Anycast>,
    /// The entities of `entities.toml`, by their ids.
    pub ids: HashMap<String, u16>,
    /// By name.
    pub resolvers: Vec<OwnedResolver>,
}

/// `Edge`, whose texts are not static while the table is being made.
pub struct OwnedEdge {
    pub child: u16,
    pub parent: u16,
    pub texts: [String; 3],
    pub source: u16,
}

/// `Source`, likewise: its fields in the order in which they are declared.
pub struct OwnedSource(pub [String; 6]);

/// Texts by number, each once.
#[derive(Default)]
pub struct Texts {
    pub all: Vec<String>,
    numbers: HashMap<String, u16>,
}

impl Texts {
    pub fn number(&mut self, text: &str) -> Result<u16, String> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = narrow(self.all.len())?;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        Ok(number)
    }
}

/// How entities are found while rows are read.
#[derive(Default)]
pub struct Known {
    pub ids: HashMap<String, u16>,
    pub v2fly: HashMap<String, u16>,
    pub lists: HashMap<String, u16>,
    pub web: HashMap<String, u16>,
    pub delivers: HashSet<u16>,
}

pub fn merge(data: &Path, lock: &Lock, overlay: &Overlay) -> Result<Merged, String> {
    let mut merged = Merged::default();
    let mut known = Known::default();
    let tables = table_sources(&mut merged, lock)?;
    let read = overlay_sources(&mut merged, overlay)?;
    entities(&mut merged, &mut known, overlay, &read)?;
    domains(&mut merged, &known, overlay, &read)?;
    networks(&mut merged, &known, overlay, &read);
    let of_set = |set: &str| {
        let source = tables.get(set).copied();
        source.ok_or_else(|| format!("data/lock.toml has no set {set:?}"))
    };
    merged.resolvers = resolvers::read(data, of_set(resolvers::SET)?, &mut merged.texts)?;
    for (file, set, table) in TABLES {
        let rows = rows::read(data, file)?;
        let source = of_set(set)?;
        take(&mut merged, &mut known, &rows, table, source, overlay)?;
    }
    roots(&mut merged, &lock.date)?;
    settle(&mut merged);
    bounded(&merged)?;
    merged.ids = known.ids;
    Ok(merged)
}

fn table_sources(merged: &mut Merged, lock: &Lock) -> Result<HashMap<String, u16>, String> {
    let mut numbers = HashMap::new();
    for set in &lock.set {
        numbers.insert(set.name.clone(), narrow(merged.sources.len())?);
        let title = format!("{} {}", set.title, set.version);
        merged.sources.push(OwnedSource([
            title,
            set.address.clone(),
            set.date.clone(),
            lock.date.clone(),
            "list".to_owned(),
            set.licence.clone(),
        ]));
    }
    Ok(numbers)
}

fn overlay_sources(merged: &mut Merged, overlay: &Overlay) -> Result<HashMap<String, u16>, String> {
    let mut numbers = HashMap::new();
    for source in &overlay.sources {
        numbers.insert(source.id.clone(), narrow(merged.sources.len())?);
        let by = match source.by {
            By::Vendor => "vendor",
            By::Code => "code",
            By::List => "list",
            By::Press => "press",
        };
        merged.sources.push(OwnedSource([
            source.title.clone(),
            source.address.clone(),
            source.date.clone(),
            source.read.clone(),
            by.to_owned(),
            String::new(),
        ]));
    }
    Ok(numbers)
}

fn entities(
    merged: &mut Merged,
    known: &mut Known,
    overlay: &Overlay,
    read: &HashMap<String, u16>,
) -> Result<(), String> {
    let mut brands = HashSet::new();
    for entity in &overlay.entities {
        let number = add_entity(merged, &entity.name, read[&entity.source])?;
        known.ids.insert(entity.id.clone(), number);
        for (names, numbers) in [
            (&entity.v2fly, &mut known.v2fly),
            (&entity.lists, &mut known.lists),
            (&entity.third_party_web, &mut known.web),
        ] {
            for name in names {
                if numbers.insert(name.clone(), number).is_some() {
                    return Err(format!("data/entities.toml: two entities are {name:?}"));
                }
            }
        }
        if entity.delivers.is_some() {
            known.delivers.insert(number);
        }
        if entity.kind == Kind::Brand {
            brands.insert(number);
        }
    }
    for line in &overlay.ownerships {
        let (child, parent) = (known.ids[&line.child], known.ids[&line.parent]);
        if brands.contains(&child) {
            merged.entities[usize::from(child)].company = parent;
        }
        merged.edges.push(OwnedEdge {
            child,
            parent,
            texts: [line.from.clone(), line.to.clone(), line.share.clone()],
            source: read[&line.source],
        });
    }
    Ok(())
}

pub fn add_entity(merged: &mut Merged, name: &str, source: u16) -> Result<u16, String> {
    let number = narrow(merged.entities.len())?;
    let name = merged.texts.number(name)?;
    merged.entities.push(Entity {
        name,
        company: number,
        root: number,
        source,
    });
    Ok(number)
}

fn domains(
    merged: &mut Merged,
    known: &Known,
    overlay: &Overlay,
    read: &HashMap<String, u16>,
) -> Result<(), String> {
    for line in &overlay.domains {
        if !rows::is_name(&line.name) {
            return Err(format!(
                "data/domains.toml: {:?} is no name in lower case and A-labels",
                line.name
            ));
        }
        let relation = match line.relation {
            overlay::Relation::Owner => Relation::Owner,
            overlay::Relation::Platform => Relation::Platform,
            overlay::Relation::Disputed => Relation::Disputed,
            overlay::Relation::Open => Relation::Open,
        };
        let detail = merged.texts.number("")?;
        merged
            .claims
            .entry(line.name.clone())
            .or_default()
            .push(Claim {
                entity: known.ids[&line.entity],
                source: read[&line.source],
                detail,
                relation,
                table: Table::Overlay,
                exact: line.exact,
                role: 0,
            });
    }
    Ok(())
}

fn networks(merged: &mut Merged, known: &Known, overlay: &Overlay, read: &HashMap<String, u16>) {
    for line in &overlay.networks {
        let network = Network {
            asn: line.asn,
            entity: known.ids[&line.entity],
            source: read[&line.source],
        };
        merged.networks.insert(line.asn, network);
    }
    for line in &overlay.anycasts {
        merged.anycasts.push(Anycast {
            entity: known.ids[&line.entity],
            source: read[&line.source],
        });
    }
}

pub fn narrow(number: usize) -> Result<u16, String> {
    u16::try_from(number)
        .ok()
        .filter(|number| *number != super::layout::EMPTY)
        .ok_or_else(|| "data: more entries than the table's numbers have room for".to_owned())
}
