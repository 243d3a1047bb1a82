//! How are Debian packages of any architecture, and of other releases, had without a change to this machine's own packages?

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::ebpf;
use crate::step;

/// Where packages come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Suite {
    /// The sources of this machine.
    Own,
    /// Suites of the archive that this machine has its own packages from.
    Other(&'static [&'static str]),
}

/// apt with lists of packages of its own: those of this machine name one architecture only.
pub struct Packages<'cache> {
    cache: &'cache Cache,
    suite: Suite,
    is_up_to_date: Cell<bool>,
}

impl<'cache> Packages<'cache> {
    pub fn new(cache: &'cache Cache) -> Self {
        Self::of(cache, Suite::Own)
    }

    pub fn of(cache: &'cache Cache, suite: Suite) -> Self {
        Self {
            cache,
            suite,
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

    /// Unpacks the newest that can be had of some packages, and says its version: the name of each is a start, the version, and
    /// `end`. The archive's lists may name what is not there, or not for every architecture.
    pub fn unpack_newest(
        &self,
        starts: &[&str],
        end: &str,
        architecture: Architecture,
        folder: &Path,
    ) -> Result<String> {
        self.update()?;
        let start = starts.first().context("no package to unpack")?;
        let output = self
            .apt("apt-cache")
            .args(["pkgnames", start])
            .output()
            .context("start apt-cache")?;
        let names = String::from_utf8(output.stdout).context("apt-cache pkgnames")?;
        let mut last = None;
        for version in newest_first(&names, start, end) {
            let names: Vec<String> = starts
                .iter()
                .map(|start| format!("{start}{version}{end}"))
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            match self.unpack(&names, architecture, folder) {
                Ok(()) => return Ok(version.to_owned()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow!("Debian has no package {start}*{end} any more")))
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
        if let Suite::Other(suites) = self.suite {
            let list = self.sources();
            fs::write(&list, sources_of(suites)?)
                .with_context(|| format!("write {}", list.display()))?;
        }
        step::finish(
            self.apt("apt-get")
                .args(["-qq", "update"])
                .stdout(Stdio::null()),
        )?;
        self.is_up_to_date.set(true);
        Ok(())
    }

    fn state(&self) -> PathBuf {
        let name = match self.suite {
            Suite::Own => "own",
            Suite::Other(suites) => suites[0],
        };
        self.cache.folder.join("apt-state").join(name)
    }

    fn lists(&self) -> PathBuf {
        self.state().join("lists")
    }

    /// The list of sources of another suite.
    fn sources(&self) -> PathBuf {
        self.state().join("sources.list")
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-oAPT::Architecture=amd64")
            .arg("-oAPT::Architectures=amd64,arm64")
            .arg(format!("-oDir::State::Lists={}", self.lists().display()))
            .arg(format!("-oDir::Cache={}", self.state().display()))
            // Its own user for downloads cannot write to a home directory, and it says so at length.
            .arg("-oAPT::Sandbox::User=root")
            .stdin(Stdio::null());
        if self.suite != Suite::Own {
            command
                .arg(format!(
                    "-oDir::Etc::SourceList={}",
                    self.sources().display()
                ))
                .arg("-oDir::Etc::SourceParts=-");
        }
        command
    }
}

/// A list of sources with these suites alone, from where this machine has its own packages.
fn sources_of(suites: &[&str]) -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    files.extend(parts.filter_map(|part| Some(part.ok()?.path())));
    let is_read = |path: &&PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("list" | "sources"))
    };
    let texts: Vec<String> = files
        .iter()
        .filter(is_read)
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let mut list = String::new();
    for suite in suites {
        let archive = archive(&texts, suite.ends_with("-security")).with_context(|| {
            format!(
                "no source of this machine has Debian's {suite}\nhint: see /etc/apt/sources.list.d"
            )
        })?;
        let _ = writeln!(list, "deb {archive} {suite} main");
    }
    Ok(list)
}

/// The address of Debian's archive, or of that of its security updates, by files of sources in either format.
fn archive(texts: &[String], is_security: bool) -> Option<&str> {
    let mut words = texts.iter().flat_map(|text| text.lines()).flat_map(|line| {
        // What is commented out may have moved.
        let line = line.split('#').next().unwrap_or("");
        line.split_whitespace()
    });
    words.find(|word| {
        let path = word.trim_end_matches('/').rsplit('/').next();
        let wanted = if is_security {
            "debian-security"
        } else {
            "debian"
        };
        word.contains("://") && path == Some(wanted)
    })
}

/// `name=version` with the architecture where apt wants it.
fn named(name: &str, architecture: Architecture) -> String {
    let architecture = architecture.debian();
    match name.split_once('=') {
        Some((name, version)) => format!("{name}:{architecture}={version}"),
        None => format!("{name}:{architecture}"),
    }
}

/// What stands between the two in names, as far as it is a version.
fn newest_first<'names>(names: &'names str, start: &str, end: &str) -> Vec<&'names str> {
    let mut versions: Vec<_> = names
        .lines()
        .filter_map(|name| {
            let version = name.strip_prefix(start)?.strip_suffix(end)?;
            Some((version_numbers(version)?, version))
        })
        .collect();
    versions.sort();
    let versions = versions.into_iter().rev();
    versions.map(|(_, version)| version).collect()
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
    fn the_newest_of_the_packages_comes_first() {
        let names = "linux-image-5.10.0-9-cloud\nlinux-image-5.10.0-46-cloud\nlinux-image-5.10.0-46-cloud-dbg\n\
                     linux-image-5.10.0-rt-cloud\nother";
        let found = newest_first(names, "linux-image-5.10.0-", "-cloud");
        assert_eq!(found, ["46", "9"]);
    }

    #[test]
    fn the_archive_is_found_in_either_format() {
        let check = |text: &str, is_security, expected| {
            let texts = [text.to_owned()];
            assert_eq!(archive(&texts, is_security), expected, "{text}");
        };
        let parts = "Types: deb\n# http://old.example/debian\nURIs: http://a.example/debian\n\
                     \nURIs: http://a.example/debian-security/\n";
        check(parts, false, Some("http://a.example/debian"));
        check(parts, true, Some("http://a.example/debian-security/"));
        let lines = "deb [arch=amd64] https://b.example/debian bookworm main\n";
        check(lines, false, Some("https://b.example/debian"));
        check(lines, true, None);
        check("deb https://c.example/apt stable main", false, None);
    }

    #[test]
    fn the_architecture_stands_before_the_version() {
        assert_eq!(named("a", Architecture::Arm), "a:arm64");
        assert_eq!(named("a=1", Architecture::X86), "a:amd64=1");
    }
}
