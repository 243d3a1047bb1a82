//! What does the tracer take of a phone?

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::android::device::Device;
use crate::android::root::Root;

/// What it may take at the end of the day, in kB: 16 MB at rest, and the day's rows.
const RESIDENT: u64 = 18_000;
/// Times that it may wake the phone up while nothing happens, in so many seconds.
const IDLE: u64 = 20;
const WAKES_A_SECOND: u64 = 2;

/// What it takes, with nobody asking.
pub fn figures(device: &Device, root: Root) -> Result<String> {
    let ask = |script: &str| -> Result<u64> {
        let script = format!(
            "cd /proc/$(cat {})/task || exit 1; {script}",
            device.path("tracer.pid")
        );
        let said = device.ask(&root.script(&script))?;
        ensure!(!said.is_empty(), "it says nothing of itself");
        said.split_whitespace()
            .map(|word| {
                word.parse::<u64>()
                    .with_context(|| format!("{said:?} is no number"))
            })
            .sum()
    };
    let resident = ask("sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' ../status")?;
    let switches = "sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' */status";
    // On a busy machine to ask takes a second itself.
    let began = Instant::now();
    let before = ask(switches)?;
    thread::sleep(Duration::from_secs(IDLE));
    let wakes = ask(switches)? - before;
    let seconds = began.elapsed().as_secs() + 1;
    let allowed = WAKES_A_SECOND * seconds;
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
