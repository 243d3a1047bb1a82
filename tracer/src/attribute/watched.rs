//! Did a file change since it was last read?

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::bounded;

/// A packages list of 100,000 lines has about 20 MB.
const LIMIT: u64 = 32 << 20;

/// A file that is read again when it was written or replaced.
pub struct Watched {
    path: PathBuf,
    /// What was read last; `None` before the first success.
    stamp: Option<Stamp>,
    /// Its absence from the start is no failure.
    optional: bool,
    /// Nanoseconds since boot of the last look, and since when the contents are what they are.
    looked_ns: u64,
    since_ns: u64,
    failing: bool,
    failures: u64,
}

/// Two states of a file that differ in nothing here are taken to be the same.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        }
    }
}

/// Whether a file is another one than the one read last, and what it holds then.
pub struct Question {
    path: PathBuf,
    last: Option<Stamp>,
}

/// The answer: nothing where it is the same.
pub struct Seen {
    now: Now,
    file: io::Result<Option<(Vec<u8>, Metadata)>>,
}

impl Question {
    /// Looks at the file.
    pub fn ask(&self) -> Seen {
        Seen {
            now: Now::of_the_clocks(),
            file: self.look(),
        }
    }

    fn look(&self) -> io::Result<Option<(Vec<u8>, Metadata)>> {
        if self.last.as_ref() == Some(&Stamp::of(&fs::metadata(&self.path)?)) {
            return Ok(None);
        }
        // The metadata is of the very file that was opened: what replaces it meanwhile is noticed the next time.
        bounded::whole(&self.path, LIMIT).map(Some)
    }
}

/// One moment on two clocks, in nanoseconds.
struct Now {
    since_boot: u64,
    since_epoch: i128,
}

impl Now {
    fn of_the_clocks() -> Self {
        Self {
            since_boot: since_boot_ns(),
            since_epoch: read(libc::CLOCK_REALTIME),
        }
    }

    /// Since boot, of a moment since the epoch; 0 where it was before.
    fn since_boot_of(&self, since_epoch: i128) -> u64 {
        let moment = i128::from(self.since_boot) - (self.since_epoch - since_epoch);
        u64::try_from(moment).unwrap_or(0)
    }
}

/// Nanoseconds since boot, with the time asleep: the kernel side's clock.
pub fn since_boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME) as u64
}

fn read(clock: libc::clockid_t) -> i128 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one structure; both clocks are always there.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

impl Watched {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            stamp: None,
            optional: false,
            looked_ns: 0,
            since_ns: 0,
            failing: false,
            failures: 0,
        }
    }

    /// A file that a device need not have.
    pub fn optional(path: PathBuf) -> Self {
        Self {
            optional: true,
            ..Self::new(path)
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The new contents, where there are any that can be read. What fails is counted.
    pub fn changed(&mut self) -> Option<Vec<u8>> {
        let seen = self.question().ask();
        self.learn(seen)
    }

    /// What to ask of the file, by somebody else perhaps.
    pub fn question(&self) -> Question {
        Question {
            path: self.path.clone(),
            last: self.stamp.clone(),
        }
    }

    /// Like [`Self::changed`], of what somebody else saw.
    pub fn learn(&mut self, seen: Seen) -> Option<Vec<u8>> {
        match self.take(seen) {
            Ok(contents) => {
                self.failing = false;
                contents
            }
            Err(error)
                if self.optional
                    && self.stamp.is_none()
                    && error.kind() == io::ErrorKind::NotFound =>
            {
                None
            }
            Err(_) => {
                // Counted on the way into the state: a busy device would ask thousands of times.
                self.failures += u64::from(!self.failing);
                self.failing = true;
                None
            }
        }
    }

    /// The new contents, `None` where the file is the one read last.
    pub fn read_if_changed(&mut self) -> io::Result<Option<Vec<u8>>> {
        let seen = self.question().ask();
        self.take(seen)
    }

    fn take(&mut self, Seen { now, file }: Seen) -> io::Result<Option<Vec<u8>>> {
        let looked = std::mem::replace(&mut self.looked_ns, now.since_boot);
        let Some((contents, metadata)) = file? else {
            return Ok(None);
        };
        self.stamp = Some(Stamp::of(&metadata));
        // It changed since the last look, whatever the file says of its time.
        let (seconds, rest) = (metadata.ctime(), metadata.ctime_nsec());
        let changed = i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        self.since_ns = now
            .since_boot_of(changed)
            .clamp(looked, now.since_boot.max(looked));
        Ok(Some(contents))
    }

    /// Nanoseconds since boot since when the contents are those read last; a tick of the kernel later at the most.
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Whether it was read at all.
    pub fn was_read(&self) -> bool {
        self.stamp.is_some()
    }

    pub fn failures(&self) -> u64 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::tree::Tree;

    fn check(watched: &mut Watched, contents: Option<&str>, failures: u64) {
        assert_eq!(
            watched
                .changed()
                .map(|bytes| String::from_utf8(bytes).expect("tests write text"))
                .as_deref(),
            contents
        );
        assert_eq!(watched.failures(), failures);
    }

    #[test]
    fn contents_are_given_once_per_change() {
        let tree = Tree::new();
        let mut watched = Watched::new(tree.write("file", "one"));
        check(&mut watched, Some("one"), 0);
        check(&mut watched, None, 0);
        tree.write("file", "three");
        check(&mut watched, Some("three"), 0);
        check(&mut watched, None, 0);
    }

    #[test]
    fn a_replacement_of_the_same_size_is_a_change() {
        let tree = Tree::new();
        let path = tree.write("file", "one");
        let mut watched = Watched::new(path.clone());
        check(&mut watched, Some("one"), 0);
        fs::rename(tree.write("next", "two"), path).expect("the temporary directory is writable");
        check(&mut watched, Some("two"), 0);
    }

    #[test]
    fn a_failure_counts_once_until_it_is_mended() {
        let tree = Tree::new();
        let path = tree.write("file", "one");
        let mut watched = Watched::optional(path.clone());
        check(&mut watched, Some("one"), 0);
        for (round, contents) in ["three", "seventh"].into_iter().enumerate() {
            fs::remove_file(&path).expect("the temporary directory is writable");
            check(&mut watched, None, round as u64 + 1);
            check(&mut watched, None, round as u64 + 1);
            tree.write("file", contents);
            check(&mut watched, Some(contents), round as u64 + 1);
        }
    }

    #[test]
    fn only_an_optional_file_may_be_absent_from_the_start() {
        let tree = Tree::new();
        check(&mut Watched::optional(tree.root().join("file")), None, 0);
        check(&mut Watched::new(tree.root().join("file")), None, 1);
        check(&mut Watched::optional(tree.root().to_owned()), None, 1);
    }
}
