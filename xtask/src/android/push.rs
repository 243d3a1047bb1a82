//! How does tracer get onto a device?

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::build;
use super::device::{Device, quote};
use super::facts::Facts;

/// Builds what this device runs, as far as that is not done yet, and says where it lies.
pub fn binary_for(device: &Device) -> Result<PathBuf> {
    build::build_one(Facts::of(device)?.architecture()?)
}

/// Puts a binary onto the device and gives its size. What was there stays until the new one is there whole.
pub fn push(device: &Device, binary: &Path) -> Result<u64> {
    let size = match fs::metadata(binary) {
        Ok(metadata) => metadata.len(),
        Err(error) => bail!(
            "read {}: {error}\nhint: cargo xtask android build makes one",
            binary.display()
        ),
    };
    let folder = quote(&device.folder);
    device.ask(&format!("mkdir -p {folder}"))?;
    let unfinished = device.path("tracer.unfinished");
    let pushed = device.push(binary, &unfinished);
    if pushed.is_err() {
        // Half a binary would only take the space that is missing.
        let _ = device.shell(&format!("rm -f {}", quote(&unfinished)));
    }
    pushed?;
    let (from, to) = (quote(&unfinished), quote(&device.path("tracer")));
    let arrived = device.ask(&format!("wc -c < {from}"))?;
    ensure!(
        arrived.trim() == size.to_string(),
        "of {size} bytes {} arrived on the device\nhint: push again",
        arrived.trim()
    );
    // The mark stays until the next start: whatever runs now is older.
    let mark = quote(&device.path("tracer.pushed"));
    device.ask(&format!(
        "chmod 0755 {from} && mv -f {from} {to} && : > {mark}"
    ))?;
    Ok(size)
}
