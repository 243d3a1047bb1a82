//! How is the module for Magisk, KernelSU and APatch put together?
//!
//! The same files give the same bytes: times are fixed, and so are the order and the modes.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::step;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Modes in the zip. Installers give their own; these are for who unpacks it by hand.
const PROGRAM: u32 = 0o755;
const TEXT: u32 = 0o644;

/// What lies in packaging/android/module, in the order of the zip: a recovery reads the first.
const FILES: &[(&str, u32)] = &[
    ("META-INF/com/google/android/update-binary", PROGRAM),
    ("META-INF/com/google/android/updater-script", TEXT),
    ("module.prop", TEXT),
    ("customize.sh", PROGRAM),
    ("service.sh", PROGRAM),
    ("boot-completed.sh", PROGRAM),
    ("action.sh", PROGRAM),
    ("uninstall.sh", PROGRAM),
    ("tracer-service.sh", PROGRAM),
    ("state.sh", TEXT),
    ("tell.sh", TEXT),
    ("options", TEXT),
];

/// Who has the binary has its licence.
const LICENCES: &[&str] = &["LICENSE-MIT", "LICENSE-APACHE"];

/// One static tracer for each architecture that the module is for.
pub struct Binaries {
    pub arm64: PathBuf,
    pub x86_64: PathBuf,
}

impl Binaries {
    /// Android's name of each architecture, its number in ELF (`e_machine`), and the file.
    fn each(&self) -> [(&'static str, u16, &Path); 2] {
        [
            ("arm64-v8a", 183, &self.arm64),
            ("x86_64", 62, &self.x86_64),
        ]
    }
}

/// How the module is called where nobody says.
pub fn file_name() -> String {
    format!("tracer-{VERSION}-module.zip")
}

/// Writes the module. A file that could not be finished is taken away again.
pub fn module(binaries: &Binaries, output: &Path) -> Result<()> {
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let file = File::create(output).with_context(|| format!("create {}", output.display()))?;
    let result = write(binaries, file);
    if result.is_err() {
        // The error to tell is why it could not be written.
        let _ = fs::remove_file(output);
    }
    result.with_context(|| format!("write {}", output.display()))
}

fn write(binaries: &Binaries, file: impl Write + Seek) -> Result<()> {
    let mut zip = ZipWriter::new(file);
    for (name, mode) in FILES {
        let mut text = read(&folder().join(name))?;
        if *name == "module.prop" {
            text = filled_in(&text)?;
        }
        add(&mut zip, name, *mode, &text)?;
    }
    for name in LICENCES {
        add(&mut zip, name, TEXT, &read(&step::workspace().join(name))?)?;
    }
    for (architecture, machine, path) in binaries.each() {
        let program = read(path)?;
        if !is_for(&program, machine) {
            bail!(
                "{} is no program for {architecture}\nhint: cargo xtask android build",
                path.display()
            );
        }
        let name = format!("bin/{architecture}/tracer");
        add(&mut zip, &name, PROGRAM, &program)?;
    }
    zip.finish().context("finish the zip")?;
    Ok(())
}

fn add<File: Write + Seek>(
    zip: &mut ZipWriter<File>,
    name: &str,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // It is unpacked once, on a phone; here it may take its time.
        .compression_level(Some(9))
        // The start of the format's calendar.
        .last_modified_time(DateTime::default())
        .unix_permissions(mode);
    zip.start_file(name, options)
        .and_then(|()| zip.write_all(content).map_err(Into::into))
        .with_context(|| format!("add {name}"))
}

/// `module.prop` with the version. An app offers an update when the number is higher than what it has.
fn filled_in(text: &[u8]) -> Result<Vec<u8>> {
    let text = str::from_utf8(text).context("module.prop")?;
    let code = version_code(VERSION).context("the version of the workspace")?;
    Ok(text
        .replace("@VERSION@", &format!("v{VERSION}"))
        .replace("@VERSION_CODE@", &code.to_string())
        .into_bytes())
}

/// 1.2.3 is 10203. What is behind a hyphen is left out.
fn version_code(version: &str) -> Result<u32> {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<u32> = numbers
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("read {version}"))?;
    match numbers[..] {
        [major @ ..=9999, minor @ ..=99, patch @ ..=99] => Ok(major * 10_000 + minor * 100 + patch),
        _ => bail!("{version} does not fit into a number\nhint: count in versionCode otherwise"),
    }
}

fn is_for(program: &[u8], machine: u16) -> bool {
    program.starts_with(b"\x7fELF") && program.get(18..20) == Some(&machine.to_le_bytes())
}

fn folder() -> PathBuf {
    step::workspace().join("packaging/android/module")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests;
