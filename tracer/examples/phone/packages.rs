//! The packages list, kept as Android's package manager keeps it: rewritten as a whole, beside the old one, and renamed.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Far less than it takes on a phone.
const SETTLES: Duration = Duration::from_millis(300);

pub struct Packages {
    path: PathBuf,
    /// How many fields a line has.
    fields: usize,
    lines: Vec<String>,
}

impl Packages {
    pub fn open(path: PathBuf, fields: usize) -> Self {
        let there = fs::read_to_string(&path).unwrap_or_default();
        let lines = there.lines().map(str::to_owned).collect();
        Self {
            path,
            fields,
            lines,
        }
    }

    /// Installs a package, or updates it.
    pub fn install(&mut self, name: &str, app_id: u32, version: u64) -> Result<()> {
        self.lines.retain(|line| !is_of(line, name));
        self.lines.push(format!(
            "{name} {app_id} 0 /data/user/0/{name} default:targetSdkVersion=34 3003 0 {version} 1 @null"
        ));
        self.write()
    }

    pub fn uninstall(&mut self, name: &str) -> Result<()> {
        let before = self.lines.len();
        self.lines.retain(|line| !is_of(line, name));
        ensure!(self.lines.len() < before, "there is no package {name}");
        self.write()
    }

    fn write(&self) -> Result<()> {
        let next = self.path.with_extension("list.tmp");
        let cut = |line: &String| {
            let fields: Vec<&str> = line.split(' ').take(self.fields).collect();
            fields.join(" ") + "\n"
        };
        let text: String = self.lines.iter().map(cut).collect();
        fs::write(&next, text)
            .and_then(|()| fs::rename(&next, &self.path))
            .with_context(|| format!("write {}", self.path.display()))?;
        // Nothing starts a package at the moment at which it is there.
        sleep(SETTLES);
        Ok(())
    }
}

fn is_of(line: &str, name: &str) -> bool {
    line.split(' ').next() == Some(name)
}
