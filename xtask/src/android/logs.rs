//! What does tracer on a device say?

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::device::{Device, quote};
use super::root::Root;
use super::say;

/// All that it said since its log was begun.
pub fn logs(device: &Device) -> Result<String> {
    let script = reader(device)?.script(&format!("cat {}", log(device)));
    device.ask(&script)
}

/// The last of it, and what it says from now on. Returns when the device is gone.
pub fn follow(device: &Device, prefix: bool) -> Result<()> {
    // In place of the shell: who ends us ends it too.
    let script = reader(device)?.script(&format!("exec tail -n 100 -f {}", log(device)));
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

/// Who may read it. Anybody, as it is written with that in mind, but the folder may be root's.
fn reader(device: &Device) -> Result<Root> {
    let is_readable = format!("[ -r {} ]", log(device));
    if device.shell(&is_readable)?.is_success() {
        return Ok(Root::Shell);
    }
    if let Some(root) = Root::find(device)?
        && device.shell(&root.script(&is_readable))?.is_success()
    {
        return Ok(root);
    }
    bail!(
        "there is no log at {}\nhint: cargo xtask android start",
        device.path("tracer.log")
    )
}

fn log(device: &Device) -> String {
    quote(&device.path("tracer.log"))
}
