//! The table of who controls which name, made of the files in `data/`, without network.
//!
//! Anything that is not as `data/README.md` says stops the build: a line without a source, a file that is not the one in the lock.

mod check;
pub mod lock;
pub mod merge;
pub mod overlay;
mod ranges;
pub mod resolvers;
pub mod rows;
mod settle;
mod take;
mod write;

#[path = "../../src/enrich/layout.rs"]
#[expect(dead_code, reason = "the look-up uses the rest of it")]
mod layout;

use std::fs;
use std::path::Path;

/// Reads `data` and gives the Rust source of the embedded table.
pub fn table(data: &Path) -> Result<String, String> {
    let lock = lock::read(data)?;
    let overlay = overlay::read(data)?;
    let merged = merge::merge(data, &lock, &overlay)?;
    let ranges = ranges::read(data)?;
    write::source(&lock, &merged, &ranges)
}

/// The text of one of the files.
fn text(data: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(data.join(file)).map_err(|error| format!("read data/{file}: {error}"))
}

/// Whether this is a day: `2026-11-28`.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && ("01"..="12").contains(&&text[5..7])
        && ("01"..="31").contains(&&text[8..])
}
