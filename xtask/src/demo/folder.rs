//! Where do the demo's files lie? In a folder that goes with it, or with the next one where it was killed.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

/// What a folder of the demo is called, before the number of its process.
const PREFIX: &str = "tracer-demo-";

/// A folder that goes with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("{PREFIX}{}", process::id()));
        remove_left(&env::temp_dir());
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        let folder = Self(path);
        // Apps read the certificate there, and write what they count.
        folder.open(&folder.0, 0o755)?;
        fs::create_dir(folder.path("counts")).context("make a folder")?;
        folder.open(&folder.path("counts"), 0o733)?;
        Ok(folder)
    }

    fn open(&self, path: &Path, mode: u32) -> Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .with_context(|| format!("open {} of {}", path.display(), self.0.display()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of runs that were killed, which could not do it.
fn remove_left(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let process = process.and_then(|process| process.parse::<u32>().ok());
        let is_left = |process: u32| {
            let lives = Path::new("/proc").join(process.to_string()).exists();
            process == process::id() || !lives
        };
        if process.is_some_and(is_left) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_runs_that_are_over_are_removed_and_no_others() {
        let parent = env::temp_dir().join(format!("demo-left-{}", process::id()));
        // No process has a number as great as the last.
        for name in [
            "tracer-demo-1",
            "tracer-demo-x",
            "other",
            "tracer-demo-4294967295",
        ] {
            fs::create_dir_all(parent.join(name)).expect("make a folder");
        }
        remove_left(&parent);
        let kept = [
            "tracer-demo-1",
            "tracer-demo-x",
            "other",
            "tracer-demo-4294967295",
        ];
        let kept = kept.map(|name| parent.join(name).exists());
        let _ = fs::remove_dir_all(&parent);
        assert_eq!(kept, [true, true, true, false]);
    }
}
