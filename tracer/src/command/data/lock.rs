//! What was fetched: where from, when, and which sum has it? The file `lock.json` beside the tables says so.
//!
//! A table and the lock cannot be replaced in one step. So the lock first says what is to come (`next`), then the table is
//! replaced, then the lock says that it is there (`current`). Whatever stops this in between, the sum of the table tells which
//! of the two it is.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::digest::Sum;
use super::failure::Failure;
use crate::enrich::mmdb::Kind;

/// Its name, in the folder of the tables.
pub const NAME: &str = "lock.json";
/// It has at most four entries, each with two addresses and an ETag.
const LARGEST: u64 = 64 << 10;
/// The version of its form.
const VERSION: u64 = 1;

/// What is known of a table that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The address, or the path, that it came from.
    pub from: String,
    /// The sum of the file.
    pub sha256: Sum,
    /// The size of the file, in bytes.
    pub size: u64,
    /// When the publisher built the table, in seconds since 1970: the table says so itself.
    pub built: u64,
    /// When it was fetched, in seconds since 1970, by the clock of this machine.
    pub fetched: u64,
    /// The licence, or `unknown`.
    pub licence: String,
    /// What the server called this version, where it said so.
    pub etag: Option<String>,
    /// When the server says it was changed, in the server's words, where it said so.
    pub modified: Option<String>,
    /// By what its sum was checked.
    pub checked: String,
}

/// What the lock says of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked {
    /// What lies there.
    pub current: Option<Entry>,
    /// What is about to replace it.
    pub next: Option<Entry>,
}

/// How a file stands to what the lock says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither the file nor an entry is there.
    Nothing,
    /// The file is the one that the lock names.
    Same,
    /// The file is the one that was about to come: an update ended after it was replaced, and before the lock said so.
    Replaced,
    /// The file is another one.
    Changed,
    /// The lock names a file that is not there.
    Missing,
    /// The file is there, and the lock does not name it.
    Unlocked,
}

impl Locked {
    /// How a file with this sum, or none, stands to it.
    pub fn standing(&self, found: Option<&Sum>) -> Standing {
        let is = |entry: &Option<Entry>| {
            entry
                .as_ref()
                .is_some_and(|entry| Some(&entry.sha256) == found)
        };
        match (found, &self.current) {
            (None, None) => Standing::Nothing,
            (None, Some(_)) => Standing::Missing,
            (Some(_), _) if is(&self.current) => Standing::Same,
            (Some(_), _) if is(&self.next) => Standing::Replaced,
            (Some(_), Some(_)) => Standing::Changed,
            (Some(_), None) => Standing::Unlocked,
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    network: Locked,
    country: Locked,
}

impl Lock {
    /// Reads the lock of a folder; an empty one where there is none, and what is wrong with it where its content is none. What cannot be
    /// read is a failure: it may be a good one.
    pub fn read(folder: &Path) -> Result<Result<Self, String>, Failure> {
        let path = folder.join(NAME);
        let mut bytes = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(Self::default())),
            Err(error) => Err(Failure::could_not_run(format!(
                "read {}: {error}",
                path.display()
            ))),
        }
    }

    /// Reads a lock from bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if value["version"].as_u64() != Some(VERSION) {
            return Err(format!("it is not of version {VERSION}"));
        }
        let mut lock = Self::default();
        for kind in Kind::ALL {
            let of_file = &value["files"][kind.file_name()];
            let read = |state: &str| match &of_file[state] {
                Value::Null => Ok(None),
                value => entry(value)
                    .map(Some)
                    .ok_or_else(|| format!("{} has no valid entry {state:?}", kind.file_name())),
            };
            *lock.of_mut(kind) = Locked {
                current: read("current")?,
                next: read("next")?,
            };
        }
        Ok(lock)
    }

    /// What it says of the file of a kind.
    pub fn of(&self, kind: Kind) -> &Locked {
        match kind {
            Kind::Network => &self.network,
            Kind::Country => &self.country,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, kind: Kind) -> &mut Locked {
        match kind {
            Kind::Network => &mut self.network,
            Kind::Country => &mut self.country,
        }
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut files = Map::new();
        for kind in Kind::ALL {
            let mut states = Map::new();
            let locked = self.of(kind);
            for (state, entry) in [("current", &locked.current), ("next", &locked.next)] {
                if let Some(entry) = entry {
                    states.insert(state.to_owned(), value(entry));
                }
            }
            if !states.is_empty() {
                files.insert(kind.file_name().to_owned(), states.into());
            }
        }
        format!("{:#}\n", json!({ "version": VERSION, "files": files }))
    }
}

fn value(entry: &Entry) -> Value {
    json!({
        "from": entry.from, "sha256": entry.sha256.to_string(), "size": entry.size, "build_epoch": entry.built,
        "fetched": entry.fetched, "licence": entry.licence, "etag": entry.etag, "last_modified": entry.modified,
        "checked": entry.checked,
    })
}

fn entry(value: &Value) -> Option<Entry> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let said = |key: &str| match &value[key] {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        _ => None,
    };
    Some(Entry {
        from: text("from")?,
        sha256: Sum::parse(value["sha256"].as_str()?)?,
        size: value["size"].as_u64()?,
        built: value["build_epoch"].as_u64()?,
        fetched: value["fetched"].as_u64()?,
        licence: text("licence")?,
        etag: said("etag")?,
        modified: said("last_modified")?,
        checked: text("checked")?,
    })
}

#[cfg(test)]
mod tests;
