//! How are Debian packages of any architecture had, without a change to this machine's own packages?

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::ebpf;
use crate::step;

/// apt with lists of packages of its own: those of this machine name one architecture only.
pub struct Packages<'cache> {
    cache: &'cache Cache,
    is_up_to_date: Cell<bool>,
}

impl<'cache> Packages<'cache> {
    pub fn new(cache: &'cache Cache) -> Self {
        Self {
            cache,
            is_up_to_date: Cell::new(false),
        }
    }

    /// Unpacks packages into a folder. A name may be followed by `=VERSION`.
    pub fn unpack(&self, names: &[&str], architecture: Architecture, folder: &Path) -> Result<()> {
        self.update()?;
        let files = folder.join("packages");
        fs::create_dir_all(&files).with_context(|| format!("create {}", files.display()))?;
        step::finish(
            self.apt("apt-get")
                .args(["-qq", "download"])
                .args(names.iter().map(|name| named(name, architecture)))
                .current_dir(&files)
                .stdout(Stdio::null()),
        )
        .with_context(|| {
            format!("hint: `cargo xtask vm --update` fetches everything anew; wanted: {names:?}")
        })?;
        for entry in fs::read_dir(&files).context("list the packages")? {
            let package = entry.context("list the packages")?.path();
            step::finish(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(&package)
                    .arg(folder),
            )?;
        }
        fs::remove_dir_all(&files).with_context(|| format!("remove {}", files.display()))
    }

    /// The newest package with such a name: its version is between `start` and `end`.
    pub fn newest(&self, start: &str, end: &str) -> Result<String> {
        self.update()?;
        let output = self
            .apt("apt-cache")
            .args(["pkgnames", start])
            .output()
            .context("start apt-cache")?;
        String::from_utf8(output.stdout)
            .context("apt-cache pkgnames")?
            .lines()
            .filter_map(|name| {
                let version = name.strip_prefix(start)?.strip_suffix(end)?;
                Some((version_numbers(version)?, name))
            })
            .max()
            .map(|(_, name)| name.to_owned())
            .with_context(|| format!("Debian has no package {start}*{end} any more"))
    }

    /// Fetches the lists, once, and only when something is to be fetched at all.
    fn update(&self) -> Result<()> {
        if self.is_up_to_date.get() {
            return Ok(());
        }
        if ebpf::find_program("apt-get").is_none() {
            bail!(
                "kernels to test on come as Debian packages, and there is no apt-get\nhint: run this on Debian"
            );
        }
        let partial = self.lists().join("partial");
        fs::create_dir_all(&partial).with_context(|| format!("create {}", partial.display()))?;
        step::finish(
            self.apt("apt-get")
                .args(["-qq", "update"])
                .stdout(Stdio::null()),
        )?;
        self.is_up_to_date.set(true);
        Ok(())
    }

    fn lists(&self) -> PathBuf {
        self.cache.folder.join("apt/lists")
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-oAPT::Architecture=amd64")
            .arg("-oAPT::Architectures=amd64,arm64")
            .arg(format!("-oDir::State::Lists={}", self.lists().display()))
            .arg(format!(
                "-oDir::Cache={}",
                self.cache.folder.join("apt").display()
            ))
            // Its own user for downloads cannot write to a home directory, and it says so at length.
            .arg("-oAPT::Sandbox::User=root")
            .stdin(Stdio::null());
        command
    }
}

/// `name=version` with the architecture where apt wants it.
fn named(name: &str, architecture: Architecture) -> String {
    let architecture = architecture.debian();
    match name.split_once('=') {
        Some((name, version)) => format!("{name}:{architecture}={version}"),
        None => format!("{name}:{architecture}"),
    }
}

/// `117+deb12` as 117 and 12: what a kernel package is compared by. None where it is not a plain version, as with `-rt`.
fn version_numbers(version: &str) -> Option<Vec<u32>> {
    version
        .replace("+deb", ".")
        .split('.')
        .map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let check = |version, expected: Option<&[u32]>| {
            assert_eq!(version_numbers(version).as_deref(), expected, "{version}");
        };
        check("56", Some(&[56]));
        check("117+deb12", Some(&[117, 12]));
        check("9.117", Some(&[9, 117]));
        check("117+deb12-rt", None);
        check("rt", None);
    }

    #[test]
    fn the_architecture_stands_before_the_version() {
        assert_eq!(named("a", Architecture::Arm), "a:arm64");
        assert_eq!(named("a=1", Architecture::X86), "a:amd64=1");
    }
}
