//! What of a table is there already: the file `….part`, and beside it a note of which version of which address it is a part.
//!
//! A part is gone on with only within one boot of the machine: what a crash of the machine leaves in a file may have holes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::folder::create;

/// The longest note: an address, an ETag and three words.
const LARGEST: u64 = 16 << 10;

/// Of which version of what it is a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The address that was asked for, before any redirect.
    pub from: String,
    /// What the server called this version; a strong ETag, so that equal ones mean equal bytes.
    pub etag: String,
    /// The size of the whole.
    pub total: u64,
    /// The boot of the machine in which it was fetched.
    pub boot: String,
}

impl Note {
    /// Reads a note; what is not one is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Some(Self {
            from: text("from")?,
            etag: text("etag")?,
            total: value["total"].as_u64()?,
            boot: text("boot")?,
        })
    }

    /// The text of the note.
    pub fn text(&self) -> String {
        json!({ "from": self.from, "etag": self.etag, "total": self.total, "boot": self.boot })
            .to_string()
    }
}

/// This boot of the machine; the kernel makes it up anew at each.
pub fn boot() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// The file that a table is fetched into.
pub struct Part {
    path: PathBuf,
    note: PathBuf,
    file: File,
    /// How many bytes it has.
    pub size: u64,
}

impl Part {
    /// Opens, or makes, the part of a table that is to lie at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let part = with_suffix(path, ".part");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            // Nobody's link leads the download elsewhere.
            .custom_flags(libc::O_NOFOLLOW)
            .open(&part)?;
        let size = file.seek(io::SeekFrom::End(0))?;
        Ok(Self {
            note: with_suffix(path, ".part.json"),
            path: part,
            file,
            size,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is a part of, where it can be gone on with.
    pub fn note(&self, from: &str) -> Option<Note> {
        let mut bytes = Vec::new();
        let file = File::open(&self.note).ok()?;
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        Note::parse(&bytes).filter(|note| {
            note.from == from
                && Some(&note.boot) == boot().as_ref()
                && (1..note.total).contains(&self.size)
        })
    }

    /// Begins anew: nothing is there, and nothing can be gone on with until [`Part::write_note`].
    pub fn clear(&mut self) -> io::Result<()> {
        remove(&self.note)?;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.size = 0;
        Ok(())
    }

    /// Notes what the bytes that come are a part of.
    pub fn write_note(&self, note: &Note) -> io::Result<()> {
        create(&self.note)?.write_all(note.text().as_bytes())
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Has the kernel write all of it to the disk, readable for everybody: it is to replace the table.
    pub fn finish(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o644))?;
        self.file.sync_all()
    }

    /// Puts it in the place of the table.
    pub fn replace(&self, table: &Path) -> io::Result<()> {
        fs::rename(&self.path, table)?;
        // A note of a part that is gone is a note of nothing.
        let _ = remove(&self.note);
        Ok(())
    }

    /// Leaves nothing of it.
    pub fn remove(self) {
        // What cannot be removed does no harm: it is a part of nothing, and the next one is written over it.
        let _ = remove(&self.note);
        let _ = remove(&self.path);
    }

    /// Leaves it for the next time, unless it is empty or there is no going on with it.
    pub fn leave(self) {
        if self.size == 0 || !self.note.exists() {
            self.remove();
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_note_that_is_written_is_read(from in "\\PC{0,40}", etag in "\\PC{0,40}", total: u64, boot in "\\PC{0,40}") {
            let note = Note { from, etag, total, boot };
            prop_assert_eq!(Note::parse(note.text().as_bytes()), Some(note));
        }

        #[test]
        fn any_bytes_are_a_note_or_none(bytes in vec(any::<u8>(), 0..256)) {
            if let Some(note) = Note::parse(&bytes) {
                prop_assert_eq!(Note::parse(note.text().as_bytes()), Some(note));
            }
        }
    }
}
