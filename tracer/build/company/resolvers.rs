//! Which names are those of resolvers that an app may ask in place of the device's own?

use std::path::Path;

use super::layout::ResolverKind;
use super::merge::Texts;
use super::rows;

/// The table, made by `data/derive-v2fly-resolvers.sh`, and the set of the lock that it is of.
pub const FILE: &str = "v2fly-resolvers.tsv";
pub const SET: &str = "v2fly";

/// `Resolver`, whose text is not static while the table is being made.
pub struct OwnedResolver {
    pub name: String,
    pub kind: ResolverKind,
    pub exact: bool,
    pub list: u16,
    pub source: u16,
}

/// The rows of the table, by name.
pub fn read(data: &Path, source: u16, texts: &mut Texts) -> Result<Vec<OwnedResolver>, String> {
    resolvers(rows::read(data, FILE)?, source, texts)
}

/// Refuses what is no name, of no kind or of no list, and a name that is there twice.
pub fn resolvers(
    mut rows: Vec<rows::Row>,
    source: u16,
    texts: &mut Texts,
) -> Result<Vec<OwnedResolver>, String> {
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    let mut resolvers: Vec<OwnedResolver> = Vec::new();
    for row in rows {
        let name = row.name;
        let kind = match row.entity.as_str() {
            "doh" => ResolverKind::Doh,
            "httpdns" => ResolverKind::HttpDns,
            kind => return Err(format!("data/{FILE}: {kind:?} of {name:?} is no kind")),
        };
        if !rows::is_name(&name) {
            return Err(format!("data/{FILE}: {name:?} is no name"));
        }
        if row.part.is_empty() {
            return Err(format!(
                "data/{FILE}: {name:?} is without its source, a list"
            ));
        }
        if resolvers.last().is_some_and(|last| last.name == name) {
            return Err(format!("data/{FILE}: {name:?} is there twice"));
        }
        let note = if row.note.is_empty() {
            String::new()
        } else {
            format!(" @{}", row.note)
        };
        resolvers.push(OwnedResolver {
            name,
            kind,
            exact: row.exact,
            list: texts.number(&format!("list {}{note}", row.part))?,
            source,
        });
    }
    Ok(resolvers)
}
