//! How do files of this machine become a file system that a kernel unpacks when it starts?
//!
//! A cpio archive in the `newc` format, written here and not by the cpio program: so a file can lie at another path
//! inside than outside. It is not compressed, as qemu copies faster than an emulated processor unpacks. The kernel
//! accepts several archives one behind the other: <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

const DIRECTORY: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const PROGRAM: u32 = 0o100_755;
const SECRET: u32 = 0o100_600;

pub struct Archive {
    out: BufWriter<File>,
    /// Paths that are in, the folders too.
    names: BTreeSet<String>,
}

impl Archive {
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
        Ok(Self {
            out: BufWriter::new(file),
            names: BTreeSet::new(),
        })
    }

    /// A folder, and those that it lies in.
    pub fn directory(&mut self, path: &str) -> Result<()> {
        let path = path.trim_matches('/');
        if path.is_empty() || self.names.contains(path) {
            return Ok(());
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent)?;
        }
        self.entry(path, DIRECTORY, &[])
    }

    /// A file that may be executed; one that is in already is left as it is.
    pub fn file(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        self.leaf(path, PROGRAM, contents)
    }

    /// A file for the first user alone.
    pub fn secret(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        self.leaf(path, SECRET, contents)
    }

    /// The contents of a file of this machine.
    pub fn copy(&mut self, path: &str, source: &Path) -> Result<()> {
        let contents = fs::read(source).with_context(|| format!("read {}", source.display()))?;
        self.file(path, &contents)
    }

    pub fn link(&mut self, path: &str, destination: &str) -> Result<()> {
        self.leaf(path, LINK, destination.as_bytes())
    }

    /// The last entry, without which the kernel takes the archive for cut off.
    pub fn finish(mut self) -> Result<()> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.out.flush().context("write the archive")
    }

    fn leaf(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        let path = path.trim_matches('/');
        if self.names.contains(path) {
            return Ok(());
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent)?;
        }
        self.entry(path, mode, contents)
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        let inode = self.names.len() + 1;
        let size = u32::try_from(contents.len()).with_context(|| format!("{path} is too large"))?;
        // Magic, inode, mode, user, group, links, time, size, two devices of two numbers, name's length, checksum.
        let head = format!(
            "070701{inode:08X}{mode:08X}{0:08X}{0:08X}{1:08X}{0:08X}{size:08X}{0:08X}{0:08X}{0:08X}{0:08X}{2:08X}{0:08X}",
            0,
            1,
            path.len() + 1
        );
        let mut padded = |parts: &[&[u8]]| {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            for part in parts {
                self.out.write_all(part)?;
            }
            // Each part begins at a multiple of four.
            self.out
                .write_all(&[0; 3][..length.next_multiple_of(4) - length])
        };
        padded(&[head.as_bytes(), path.as_bytes(), &[0]])
            .and_then(|()| padded(&[contents]))
            .with_context(|| format!("write {path} into the archive"))?;
        self.names.insert(path.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_contents_begin_at_multiples_of_four() {
        let path = std::env::temp_dir().join(format!("xtask-archive-{}", std::process::id()));
        let mut archive = Archive::create(&path).expect("create it");
        archive.file("/usr/bin/a", b"12345").expect("add a file");
        archive.link("/usr/bin/b", "a").expect("add a link");
        archive.finish().expect("end it");
        let bytes = fs::read(&path).expect("read it");
        fs::remove_file(&path).expect("remove it");
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<usize> = (0..bytes.len() - 5)
            .filter(|at| &bytes[*at..at + 6] == b"070701")
            .collect();
        // usr, usr/bin, a, b and the last.
        assert_eq!(starts.len(), 5);
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        let contents = bytes
            .windows(5)
            .position(|window| window == b"12345")
            .expect("the contents");
        assert_eq!(contents % 4, 0);
    }
}
