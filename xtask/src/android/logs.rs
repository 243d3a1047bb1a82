//! What does tracer on a device say?

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::device::{Device, quote};
use super::say;

/// All that it said since its log was begun.
pub fn logs(device: &Device) -> Result<String> {
    let output = device.shell(&format!("cat {}", log(device)))?;
    if !output.is_success() {
        bail!("{}", nothing(device));
    }
    Ok(output.stdout)
}

/// The last of it, and what it says from now on. Returns when the device is gone.
pub fn follow(device: &Device, prefix: bool) -> Result<()> {
    if !device
        .shell(&format!("[ -r {} ]", log(device)))?
        .is_success()
    {
        bail!("{}", nothing(device));
    }
    // In place of the shell: who ends us ends it too.
    let script = format!("exec tail -n 100 -f {}", log(device));
    let mut child = device
        .adb
        .command()
        .args(["-s", &device.serial, "shell", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start adb")?;
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).lines())
    {
        let line = line.context("read what adb says")?;
        say(prefix.then_some(device), &line);
    }
    child.wait().context("wait for adb")?;
    Ok(())
}

/// Anybody may read it: it is written with that in mind.
fn log(device: &Device) -> String {
    quote(&device.path("tracer.log"))
}

fn nothing(device: &Device) -> String {
    format!(
        "there is no log at {}\nhint: cargo xtask android start",
        device.path("tracer.log")
    )
}
