//! The rows of the tables of others, as they stand in their files.

use std::path::Path;

/// A name of one of the tables.
pub struct Row {
    pub name: String,
    /// Only the name itself.
    pub exact: bool,
    /// As the table calls it.
    pub entity: String,
    /// Where in the table: a list, or the name of a product.
    pub part: String,
    /// What else it says: an attribute, or a category.
    pub note: String,
}

/// Rows of `domain match entity part note`, with tabs between them.
pub fn read(data: &Path, file: &str) -> Result<Vec<Row>, String> {
    let text = super::text(data, file)?;
    let mut rows = Vec::new();
    for (at, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'))
    {
        let [name, kind, entity, part, note] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!(
                "data/{file}, line {}: it has not five columns",
                at + 1
            ));
        };
        let exact = match kind {
            "suffix" => false,
            "full" => true,
            _ => {
                return Err(format!(
                    "data/{file}, line {}: {kind:?} is no match",
                    at + 1
                ));
            }
        };
        rows.push(Row {
            name: name.to_owned(),
            exact,
            entity: entity.to_owned(),
            part: part.to_owned(),
            note: note.to_owned(),
        });
    }
    Ok(rows)
}

/// Whether it is a host name in the form that look-ups use: lower case, A-labels, at least two labels, no address.
pub fn is_name(name: &str) -> bool {
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
            })
    };
    name.len() <= 253
        && name.split('.').all(fits)
        && name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_lowercase()))
}
