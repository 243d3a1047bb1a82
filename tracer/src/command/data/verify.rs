//! `tracer data verify`: are the built-in tables, and the files they are made of, those that the lock names?

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::{COULD_NOT_RUN, DONE, NO};
use super::answer;
use crate::enrich::{DATA_DATE, built, bytes, counts, sets};

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder `data` of the sources: its files are checked too.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
}

pub fn verify(arguments: &Arguments) -> u8 {
    if let Some(folder) = arguments.files.as_deref().filter(|folder| !folder.is_dir()) {
        eprintln!("tracer: {} is no folder", folder.display());
        eprintln!("hint: give the folder `data` of the sources that this binary was built from");
        return COULD_NOT_RUN;
    }
    let mut digest = Sha256::new();
    bytes(&mut |bytes| digest.update(bytes));
    let mut faults = 0;
    let mut text = String::new();
    let mut judge = |what: &str, found: &str, expected: &str| {
        let word = if found == expected {
            "as built"
        } else {
            "CHANGED"
        };
        faults += usize::from(found != expected);
        let _ = writeln!(text, "{word:<9} {what}");
    };
    judge(
        &format!("built-in tables of {DATA_DATE}"),
        &hex(&digest.finalize()),
        built(),
    );
    for set in sets() {
        for (path, expected) in set.files {
            if let Some(folder) = &arguments.files {
                judge(path, &of_file(&folder.join(path)), expected);
            }
        }
    }
    for set in sets() {
        let _ = writeln!(
            text,
            "{:<9} {}, {} of {}, {}",
            "made of", set.title, set.version, set.date, set.licence
        );
    }
    for (what, count) in counts() {
        let _ = writeln!(text, "{count:>9} {what}");
    }
    answer(&text);
    if faults == 0 {
        return DONE;
    }
    eprintln!("tracer: {faults} of the data sets are not what the lock names");
    eprintln!(
        "hint: build again from the sources, or take the files of the version that this binary was built from"
    );
    NO
}

/// The digest of a file; of one that cannot be read, why.
fn of_file(path: &Path) -> String {
    fs::read(path).map_or_else(
        |error| error.to_string(),
        |bytes| hex(&Sha256::digest(&bytes)),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
