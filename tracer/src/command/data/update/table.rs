//! One table: is it here already, does it come whole, is it what it should be, and does it take the place of the old one?

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::answer;
use super::super::digest::{Sum, of_file, present};
use super::super::failure::Failure;
use super::super::lock::{Entry, Lock, Standing};
use super::Arguments;
use super::download::{Came, download, too_large};
use super::folder::{Folder, unwritable};
use super::origin::{Origin, Place};
use super::part::Part;
use super::published::published;
use super::web::Web;
use crate::{day::day, enrich::mmdb};

/// An update at work.
pub struct Work<'update> {
    /// What the user asked for.
    pub arguments: &'update Arguments,
    /// How servers are asked.
    pub web: Web,
    /// Where the tables lie.
    pub folder: Folder,
    /// What the lock file says.
    pub lock: Lock,
}

fn say(text: &str) {
    answer(&format!("  {text}\n"));
}

impl Work<'_> {
    /// Fetches a table, if it is not here already, and puts it in the place of the old one.
    pub fn fetch(&mut self, origin: &Origin) -> Result<(), Failure> {
        let path = self.folder.file(origin.kind.file_name());
        // Where nothing can be written, nobody is contacted in vain.
        let mut part =
            Part::open(&path).map_err(|error| unwritable(&self.arguments.data_dir, &error))?;
        let result = match self.come(&mut part, origin, &path) {
            Ok(Some(entry)) => self.replace(&part, origin, &path, entry),
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        match &result {
            Err(failure) if !failure.spoils() => part.leave(),
            _ => part.remove(),
        }
        result
    }

    /// Has the table come. `None`: it is here already.
    fn come(
        &mut self,
        part: &mut Part,
        origin: &Origin,
        path: &Path,
    ) -> Result<Option<Entry>, Failure> {
        let present = present(path)?;
        let standing = self.mend(origin, present.as_ref())?;
        let expected = self.expected(origin)?;
        if let (Some(sum), Some(expected)) = (&present, &expected)
            && sum == expected
        {
            say("up to date: it has the sum that it should have");
            if standing != Standing::Same {
                let entry = self.entry(origin, path, Some(expected), None, None, None)?;
                self.lock.of_mut(origin.kind).current = Some(entry);
                self.folder.write(&self.lock)?;
            }
            return Ok(None);
        }
        let (etag, modified, size) = match &origin.table {
            Place::File(from) => {
                copy(from, part, self.arguments.max_bytes)?;
                (None, None, None)
            }
            Place::Web(from) => {
                let known = self.lock.of(origin.kind).current.as_ref();
                // Where a sum is known, it has said already that what is here is another version.
                let known = known.filter(|entry| {
                    standing == Standing::Same && entry.from == *from && expected.is_none()
                });
                let most = self.arguments.max_bytes;
                match download(&self.web, from, part, known, most, &mut say)? {
                    Came::NotModified => {
                        say("up to date: the server has no other version");
                        return Ok(None);
                    }
                    Came::Whole {
                        etag,
                        modified,
                        size,
                    } => (etag, modified, size),
                }
            }
        };
        part.finish()
            .map_err(|error| unwritable(&self.arguments.data_dir, &error))?;
        let entry = self.entry(origin, part.path(), expected.as_ref(), etag, modified, size)?;
        self.refuse_older(origin, path, &entry)?;
        Ok(Some(entry))
    }

    /// Sets the lock right after an update that was stopped.
    fn mend(&mut self, origin: &Origin, present: Option<&Sum>) -> Result<Standing, Failure> {
        let locked = self.lock.of_mut(origin.kind);
        let standing = locked.standing(present);
        match standing {
            Standing::Replaced => {
                locked.current = locked.next.take();
                self.folder.write(&self.lock)?;
                say("an update was stopped after it had replaced the table: the lock says so now");
                return Ok(Standing::Same);
            }
            Standing::Changed => say("the file is not the one that the lock names"),
            _ => {}
        }
        locked.next = None;
        Ok(standing)
    }

    /// The sum that the table must have, where one is known.
    fn expected(&self, origin: &Origin) -> Result<Option<Sum>, Failure> {
        if let Some(sum) = &self.arguments.sha256 {
            return Ok(Some(sum.clone()));
        }
        let sum = published(&origin.sum, &origin.name(), &self.web, &mut say)?;
        if sum.is_none() {
            say("no sum is published there");
        }
        Ok(sum)
    }

    /// What the lock is to say of a file, once it is what it should be.
    fn entry(
        &self,
        origin: &Origin,
        file: &Path,
        expected: Option<&Sum>,
        etag: Option<String>,
        modified: Option<String>,
        said: Option<u64>,
    ) -> Result<Entry, Failure> {
        let name = origin.kind.file_name();
        let (sum, size) = of_file(file)
            .map_err(|error| Failure::could_not_run(format!("read {}: {error}", file.display())))?;
        let checked = match expected {
            Some(expected) => {
                self.compare(origin, &sum, expected)?;
                let by = if self.arguments.sha256.is_some() {
                    "given by the user"
                } else {
                    "published beside the table"
                };
                format!("the SHA-256 {by}")
            }
            None if said == Some(size) => "the size that the server said, and its form".to_owned(),
            None => "its form".to_owned(),
        };
        say(&format!("{size} bytes, SHA-256 {sum}"));
        let (summary, networks) = mmdb::check(file, origin.kind)
            .map_err(|why| Failure::no(format!("{name}: {why}; the old table stays")).spoil())?;
        say(&format!(
            "checked by {checked}; built {}, {} networks, form {}",
            day(summary.built),
            networks,
            summary.schema.label()
        ));
        Ok(Entry {
            from: origin.table.to_string(),
            sha256: sum,
            size,
            built: summary.built,
            fetched: now(),
            licence: origin.licence.to_owned(),
            etag,
            modified,
            checked,
        })
    }

    /// Holds a sum against what it should be.
    fn compare(&self, origin: &Origin, sum: &Sum, expected: &Sum) -> Result<(), Failure> {
        if sum == expected {
            return Ok(());
        }
        let name = origin.kind.file_name();
        let wrong = |expected: &Sum| {
            Failure::no(format!(
                "{name}: its SHA-256 is {sum}, and should be {expected}; the old table stays"
            ))
            .spoil()
        };
        if self.arguments.sha256.is_some() {
            return Err(wrong(expected).hint(
                "see of which day your sum is: the publisher makes the table anew each day",
            ));
        }
        // The publisher replaces table and sum one after the other, perhaps just now.
        let again = self.expected(origin)?;
        if again.as_ref() == Some(sum) {
            return Ok(());
        }
        Err(wrong(again.as_ref().unwrap_or(expected))
            .hint("it came damaged, or the publisher is replacing it: try again in an hour"))
    }

    /// Keeps a newer table that is there already.
    fn refuse_older(&self, origin: &Origin, path: &Path, new: &Entry) -> Result<(), Failure> {
        let old = mmdb::check(path, origin.kind);
        let newer = old.is_ok_and(|(old, _)| old.built > new.built);
        if !newer || self.arguments.force {
            return Ok(());
        }
        Err(Failure::no(format!(
            "{}: it was built before the one that is there; the old table stays",
            origin.kind.file_name()
        ))
        .spoil()
        .hint("--force takes it all the same"))
    }

    /// Puts what came in the place of the table. The lock says first what is to come, then that it is there.
    fn replace(
        &mut self,
        part: &Part,
        origin: &Origin,
        path: &Path,
        entry: Entry,
    ) -> Result<(), Failure> {
        self.lock.of_mut(origin.kind).next = Some(entry);
        self.folder.write(&self.lock).inspect_err(|_| {
            self.lock.of_mut(origin.kind).next = None;
        })?;
        part.replace(path)
            .map_err(|error| unwritable(&self.arguments.data_dir, &error))?;
        self.folder.sync()?;
        let locked = self.lock.of_mut(origin.kind);
        locked.current = locked.next.take();
        self.folder.write(&self.lock)?;
        say(&format!("replaced {}", path.display()));
        Ok(())
    }
}

/// Copies a file of this machine into the part.
fn copy(from: &Path, part: &mut Part, most: u64) -> Result<(), Failure> {
    let unreadable =
        |error: io::Error| Failure::could_not_run(format!("read {}: {error}", from.display()));
    let file = File::open(from).map_err(unreadable)?;
    part.clear()
        .map_err(|error| unwritable(part.path(), &error))?;
    let mut file = file.take(most.saturating_add(1));
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok(()),
            read => part
                .add(&piece[..read])
                .map_err(|error| unwritable(part.path(), &error))?,
        }
        if part.size > most {
            return Err(too_large(&from.display().to_string(), most));
        }
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is wrong in any case.
    now.map_or(0, |now| now.as_secs())
}
