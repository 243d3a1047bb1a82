//! Which files make the table, of which source and version, with which digest?

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// `data/lock.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The day of the whole: shown wherever an owner is.
    pub date: String,
    pub set: Vec<Set>,
}

/// One data set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    pub name: String,
    pub title: String,
    pub address: String,
    pub version: String,
    /// The day of the data.
    pub date: String,
    pub licence: String,
    /// What of it: its files, below `data/`.
    pub file: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub path: String,
    pub sha256: String,
}

/// Reads the lock, and refuses files that are not those it names.
pub fn read(data: &Path) -> Result<Lock, String> {
    let lock: Lock = toml::from_str(&super::text(data, "lock.toml")?)
        .map_err(|error| format!("data/lock.toml: {error}"))?;
    let days = lock.set.iter().map(|set| &set.date).chain([&lock.date]);
    for day in days {
        if !super::is_day(day) {
            return Err(format!("data/lock.toml: {day:?} is no day like 2026-11-28"));
        }
    }
    for file in lock.set.iter().flat_map(|set| &set.file) {
        let bytes = fs::read(data.join(&file.path))
            .map_err(|error| format!("read data/{}: {error}", file.path))?;
        let found = hex(&Sha256::digest(&bytes));
        if found != file.sha256 {
            return Err(format!(
                "data/{} is not what data/lock.toml says: its sha256 is {found}; \
                 where the change is meant, write that into the lock",
                file.path
            ));
        }
    }
    Ok(lock)
}

/// A digest as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
