//! What do the tables of others add: which row is a claim of which kind, by which entity?

use std::collections::HashSet;

use super::layout::{Claim, ROLES, Relation, Table};
use super::merge::{Known, Merged, add_entity};
use super::overlay::Overlay;
use super::rows::{self, Row};

/// Takes the rows of one table over.
pub fn take(
    merged: &mut Merged,
    known: &mut Known,
    rows: &[Row],
    table: Table,
    source: u16,
    overlay: &Overlay,
) -> Result<(), String> {
    let excluded: HashSet<&str> = overlay
        .excludes
        .iter()
        .map(|line| line.name.as_str())
        .collect();
    let own: HashSet<(&str, &str)> = rows
        .iter()
        .map(|row| (row.entity.as_str(), row.name.as_str()))
        .collect();
    for row in rows {
        // A public suffix says nothing of who registers below it.
        if excluded.contains(row.name.as_str())
            || !rows::is_name(&row.name)
            || is_registry(&row.name)
        {
            continue;
        }
        let (entity, detail) = entity_of(merged, known, row, table, source)?;
        let registered = psl::domain_str(&row.name).unwrap_or(&row.name);
        let hosts = table == Table::ThirdPartyWeb && matches!(row.note.as_str(), "hosting" | "cdn");
        let relation = if (known.delivers.contains(&entity) || hosts) && !row.exact {
            Relation::Platform
        } else if table == Table::V2fly
            && registered != row.name
            && !own.contains(&(row.entity.as_str(), registered))
            && !claimed_by(merged, registered, entity)
        {
            Relation::UnderThirdParty
        } else {
            Relation::Owner
        };
        let detail = merged.texts.number(&detail)?;
        merged
            .claims
            .entry(row.name.clone())
            .or_default()
            .push(Claim {
                entity,
                source,
                detail,
                relation,
                table,
                exact: row.exact,
                role: role(&row.note)?,
            });
    }
    Ok(())
}

/// What a row says that its name is for. Of the attributes of v2fly's lists only `ads` is of that kind.
fn role(note: &str) -> Result<u8, String> {
    let name = match note {
        "ads" => "ad",
        "other" | "cn" | "!cn" => "",
        name => name,
    };
    let at = ROLES.iter().position(|role| *role == name);
    let at = at.and_then(|at| u8::try_from(at).ok());
    at.ok_or_else(|| format!("data: {note:?} is no category of layout.rs"))
}

fn is_registry(name: &str) -> bool {
    psl::suffix(name.as_bytes())
        .is_some_and(|suffix| suffix.typ() == Some(psl::Type::Icann) && suffix == name)
}

/// Whether the overlay gives a name to this entity or its company.
fn claimed_by(merged: &Merged, name: &str, entity: u16) -> bool {
    let company = merged.entities[usize::from(entity)].company;
    merged.claims.get(name).is_some_and(|claims| {
        claims
            .iter()
            .any(|claim| merged.entities[usize::from(claim.entity)].company == company)
    })
}

/// The entity of a row, and where in the table it stands.
fn entity_of(
    merged: &mut Merged,
    known: &mut Known,
    row: &Row,
    table: Table,
    source: u16,
) -> Result<(u16, String), String> {
    if table == Table::V2fly {
        let entity = known
            .lists
            .get(&row.part)
            .or_else(|| known.v2fly.get(&row.entity));
        let entity = *entity.ok_or_else(|| {
            format!(
                "data/entities.toml: no entity is {:?} of the v2fly tables",
                row.entity
            )
        })?;
        let note = if row.note.is_empty() {
            String::new()
        } else {
            format!(" @{}", row.note)
        };
        return Ok((entity, format!("list {}{note}", row.part)));
    }
    let found = [&row.part, &row.entity]
        .into_iter()
        .find_map(|name| known.web.get(name));
    let entity = if let Some(entity) = found {
        *entity
    } else {
        let entity = add_entity(merged, &row.entity, source)?;
        known.web.insert(row.entity.clone(), entity);
        entity
    };
    Ok((entity, format!("{} ({})", row.part, row.note)))
}
