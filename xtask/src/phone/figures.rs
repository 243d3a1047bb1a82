//! What does the tracer take of a phone?

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::android::device::Device;
use crate::android::root::Root;

/// What it may take at the end of the day, in kB: 16 MB at rest, and the day's rows.
const RESIDENT: u64 = 18_000;
/// Seconds in which nothing happens.
const IDLE: u64 = 20;
/// Times that it may wake the phone up in each.
const WAKES_A_SECOND: u64 = 2;

/// What it takes, with nobody asking.
pub fn figures(device: &Device, root: Root) -> Result<String> {
    let numbers = |script: &str| -> Result<Vec<u64>> {
        let script = format!(
            "cd /proc/$(cat {})/task || exit 1; {script}",
            device.path("tracer.pid")
        );
        let said = device.ask(&root.script(&script))?;
        said.split_whitespace()
            .map(|word| {
                word.parse::<u64>()
                    .with_context(|| format!("{said:?} is no number"))
            })
            .collect()
    };
    let resident = numbers("sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' ../status")?;
    let resident = *resident.first().context("it says nothing of itself")?;
    // With the moment, in hundredths of a second of the phone's own: on a busy machine to ask takes a second itself.
    let switches = || -> Result<(u64, u64)> {
        let moment = "sed -n 's/^\\([0-9]*\\)[.]\\([0-9]*\\) .*/\\1\\2/p' /proc/uptime";
        let counts = "sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' */status";
        let said = numbers(&format!("{moment}; {counts}"))?;
        let (moment, counts) = said.split_first().context("it says nothing of itself")?;
        ensure!(!counts.is_empty(), "it says nothing of its threads");
        Ok((*moment, counts.iter().sum()))
    };
    let before = switches()?;
    thread::sleep(Duration::from_secs(IDLE));
    let after = switches()?;
    let (hundredths, wakes) = (after.0 - before.0, after.1 - before.1);
    let allowed = WAKES_A_SECOND * hundredths / 100;
    let seconds = hundredths / 100;
    ensure!(
        resident < RESIDENT,
        "{resident} kB resident, {RESIDENT} are allowed"
    );
    ensure!(
        wakes <= allowed,
        "woke up {wakes} times in {seconds} s, {allowed} are allowed"
    );
    Ok(format!(
        "{resident} kB resident, {wakes} wake-ups in {seconds} idle seconds"
    ))
}
