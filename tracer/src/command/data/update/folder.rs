//! The folder of the tables: one update at a time, and what is replaced is replaced whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use super::super::lock::{self, Lock};

/// The folder, while nobody else updates it.
pub struct Folder {
    path: PathBuf,
    /// The kernel frees it of the lock when this is closed, however the program ends.
    handle: File,
}

impl Folder {
    /// Makes the folder where there is none, and keeps other updates out.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path).map_err(|error| unwritable(path, &error))?;
        let handle = File::open(path).map_err(|error| unwritable(path, &error))?;
        // SAFETY: the descriptor is open for as long as `handle` lives.
        if unsafe { libc::flock(handle.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Self {
                path: path.to_owned(),
                handle,
            });
        }
        let error = io::Error::last_os_error();
        Err(match error.raw_os_error() {
            Some(libc::EWOULDBLOCK) => Failure::could_not_run(format!(
                "another `tracer data update` is at work in {}",
                path.display()
            ))
            .hint("wait until it has ended; nothing was changed by this one"),
            _ => unwritable(path, &error),
        })
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What was renamed in it is so after a crash of the machine too.
    pub fn sync(&self) -> Result<(), Failure> {
        self.handle
            .sync_all()
            .map_err(|error| unwritable(&self.path, &error))
    }

    /// Gives a file another name, for whoever knows what to make of it. Returns that.
    pub fn set_aside(&self, name: &str) -> Result<String, Failure> {
        let bad = format!("{name}.bad");
        fs::rename(self.file(name), self.file(&bad))
            .map_err(|error| unwritable(&self.path, &error))?;
        Ok(bad)
    }

    /// Replaces the lock file.
    pub fn write(&self, lock: &Lock) -> Result<(), Failure> {
        let new = self.file(&format!("{}.new", lock::NAME));
        let written = create(&new).and_then(|mut file| {
            file.write_all(lock.text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, self.file(lock::NAME))
        });
        if let Err(error) = written {
            // The old lock stands; what is left of the new one is written over next time, if it cannot be removed now.
            let _ = fs::remove_file(&new);
            return Err(unwritable(&self.path, &error));
        }
        self.sync()
    }
}

/// Makes a file that is there for nobody yet: nobody's link leads what is written elsewhere.
pub fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = File::create_new(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    Ok(file)
}

/// Why nothing can be written into a folder, and what can be done.
pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::could_not_run(format!("write into {}: {error}", path.display()));
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => failure.spoil().hint(
            "make room there: a table takes ten to thirty megabytes, and the old one stays until the new one is whole",
        ),
        Some(libc::EACCES | libc::EPERM) => {
            failure.hint("run it as root, or name a folder of your own with --data-dir")
        }
        Some(libc::EROFS) => failure.hint("name a folder that can be written with --data-dir"),
        _ => failure,
    }
}
