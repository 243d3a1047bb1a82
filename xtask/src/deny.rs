//! Is everything we link against allowed, and known to be sound?

use std::process::Command;

use anyhow::{Context, Result};

use crate::step;

/// Licences, duplicates and sources, always; advisories when their database can be had.
pub fn deny() -> Result<()> {
    step::finish(&mut cargo_deny(&[
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))?;
    // A fetch of its own, so that an unreachable database is not taken for an advisory, or the other way round.
    if let Some(reason) = fetch_failure()? {
        eprintln!(
            "advisories and yanked crates were NOT checked, their database cannot be fetched: {reason}"
        );
        return Ok(());
    }
    step::finish(&mut cargo_deny(&["check", "--disable-fetch", "advisories"]))
}

/// Why the database of advisories cannot be had, if so.
fn fetch_failure() -> Result<Option<String>> {
    let fetch = cargo_deny(&["fetch", "db"]);
    let output = Command::new("timeout")
        // A firewall that answers nothing would hold this up for minutes.
        .arg("60")
        .arg(fetch.get_program())
        .args(fetch.get_args())
        .current_dir(step::workspace())
        .output()
        .context("start cargo deny fetch db")?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    Ok(Some(
        last.map_or_else(|| output.status.to_string(), str::to_owned),
    ))
}

fn cargo_deny(arguments: &[&str]) -> Command {
    let mut command = step::cargo(&["deny", "--log-level", "warn"]);
    command.args(arguments);
    command
}
