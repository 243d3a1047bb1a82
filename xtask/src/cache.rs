//! Where is kept what takes long to get, and how does it get there whole?

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

/// A folder outside the repository: a `cargo clean`, or a second checkout, need not fetch it all again.
pub struct Cache {
    pub folder: PathBuf,
}

impl Cache {
    pub fn open() -> Result<Self> {
        let base = env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(env::home_dir()?.join(".cache")))
            .context("no home directory to keep kernels in\nhint: set XDG_CACHE_HOME")?;
        let folder = base.join("tracer-xtask/vm");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Forgets everything, so that the newest is fetched.
    pub fn clear(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .and_then(|()| fs::create_dir_all(&self.folder))
            .with_context(|| format!("empty {}", self.folder.display()))
    }

    /// The folder of this name. Where it is missing, `make` fills one with another name, which is renamed when it is
    /// complete: a folder that is there is whole, also after a kill, and with two of us at work.
    pub fn folder(&self, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let done = self.folder.join(name);
        if done.is_dir() {
            return Ok(done);
        }
        eprintln!("preparing {name}");
        let unfinished = self
            .folder
            .join(format!("unfinished-{}-{name}", process::id()));
        // Left by a process that had this number before.
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished)
            .with_context(|| format!("create {}", unfinished.display()))?;
        let made = make(&unfinished).with_context(|| format!("prepare {name}"));
        if made.is_ok() && fs::rename(&unfinished, &done).is_ok() {
            return Ok(done);
        }
        let _ = fs::remove_dir_all(&unfinished);
        made?;
        // The rename fails where somebody else was quicker.
        anyhow::ensure!(done.is_dir(), "cannot create {}", done.display());
        Ok(done)
    }
}

/// A short name for what something is made of: with another list it is another thing.
pub fn key(ingredients: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    ingredients.hash(&mut hasher);
    format!("{:08x}", hasher.finish() as u32)
}
