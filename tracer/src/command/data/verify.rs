//! `tracer data verify`: are the built-in tables, the files they are made of, and what was fetched, those that the locks name?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::super::{COULD_NOT_RUN, DONE, NO};
use super::digest::{of_file, of_pieces, present};
use super::failure::Failure;
use super::lock::{Lock, NAME, Standing};
use super::{FOLDER, answer};
use crate::day::day;
use crate::enrich::mmdb::{Kind, check};
use crate::enrich::{DATA_DATE, built, bytes, counts, sets};

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder `data` of the sources: its files are checked too.
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// The folder of what `tracer data update` fetched; without it, /var/lib/tracer where that is there.
    #[arg(long, value_name = "DIR", env = "TRACER_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

pub fn verify(arguments: &Arguments) -> u8 {
    if let Some(folder) = arguments.files.as_deref().filter(|folder| !folder.is_dir()) {
        eprintln!("tracer: {} is no folder", folder.display());
        eprintln!("hint: give the folder `data` of the sources that this binary was built from");
        return COULD_NOT_RUN;
    }
    if let Some(folder) = arguments
        .data_dir
        .as_deref()
        .filter(|folder| !folder.is_dir())
    {
        eprintln!("tracer: {} is no folder", folder.display());
        eprintln!("hint: give the folder that `tracer data update --data-dir` filled");
        return COULD_NOT_RUN;
    }
    let tables = of_pieces(|take| bytes(&mut |piece| take(piece)));
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
        &tables.to_string(),
        built(),
    );
    for set in sets() {
        for (path, expected) in set.files {
            if let Some(folder) = &arguments.files {
                judge(path, &sum(&folder.join(path)), expected);
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
    let folder = arguments.data_dir.as_deref().unwrap_or(Path::new(FOLDER));
    // An update that ends meanwhile replaces a table before the lock says so: a second look tells.
    let (begun, mut looked) = (text.len(), fetched(folder, &mut text));
    if looked.as_ref().is_ok_and(|faults| *faults > 0) {
        text.truncate(begun);
        looked = fetched(folder, &mut text);
    }
    answer(&text);
    let fetched = match looked {
        Ok(faults) => faults,
        Err(failure) => return failure.tell(),
    };
    if faults > 0 {
        eprintln!("tracer: {faults} of the data sets are not what the lock names");
        eprintln!(
            "hint: build again from the sources, or take the files of the version that this binary was built from"
        );
    }
    if fetched > 0 {
        eprintln!(
            "tracer: {fetched} faults of the files in {}: not what {NAME} there says, or not whole",
            folder.display()
        );
        eprintln!("hint: `tracer data update` fetches them anew");
    }
    if faults + fetched == 0 { DONE } else { NO }
}

/// Holds what was fetched against its lock, and looks at the whole of it. Returns how much is not as it should be.
fn fetched(folder: &Path, text: &mut String) -> Result<usize, Failure> {
    let lock = match Lock::read(folder)? {
        Ok(lock) => lock,
        Err(why) => {
            let _ = writeln!(text, "CHANGED   {}: {why}", folder.join(NAME).display());
            return Ok(1);
        }
    };
    let mut faults = 0;
    for kind in Kind::ALL {
        let path = folder.join(kind.file_name());
        let locked = lock.of(kind);
        let standing = locked.standing(present(&path)?.as_ref());
        let (word, entry) = match standing {
            Standing::Nothing => continue,
            Standing::Same => ("as locked", &locked.current),
            Standing::Replaced => ("as locked", &locked.next),
            Standing::Changed => ("CHANGED", &locked.current),
            Standing::Missing => ("MISSING", &locked.current),
            Standing::Unlocked => ("no lock", &None),
        };
        faults += usize::from(matches!(standing, Standing::Changed | Standing::Missing));
        let _ = writeln!(text, "{word:<9} {}", path.display());
        if let Some(entry) = entry {
            let _ = writeln!(
                text,
                "{:<9} {}, {} bytes, {}; {}",
                "", entry.from, entry.size, entry.licence, entry.checked
            );
        }
        if standing == Standing::Replaced {
            let _ = writeln!(
                text,
                "{:<9} an update was stopped before the lock said so: the next one sets it right",
                ""
            );
        }
        if standing == Standing::Missing {
            continue;
        }
        match check(&path, kind) {
            Ok((summary, networks)) => {
                let built = day(summary.built);
                let _ = writeln!(text, "{networks:>9} networks, built {built}");
            }
            Err(why) => {
                faults += 1;
                let _ = writeln!(text, "DAMAGED   {}: {why}", path.display());
            }
        }
    }
    Ok(faults)
}

/// The sum of a file; of one that cannot be read, why.
fn sum(path: &Path) -> String {
    of_file(path).map_or_else(|error| error.to_string(), |(sum, _)| sum.to_string())
}
