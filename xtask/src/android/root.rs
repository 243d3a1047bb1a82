//! How does a script on the device become root?

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::device::{Device, quote};

/// Somebody may have to allow it on the device's screen.
const SU_PATIENCE: Duration = Duration::from_secs(60);
/// adbd starts again, and is found again.
const RESTART_PATIENCE: Duration = Duration::from_secs(60);
/// One that is back by then, and not as root, will not be.
const ROOT_PATIENCE: Duration = Duration::from_secs(15);

/// The way that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The shell itself: it is root's already, or need not be.
    Shell,
    /// `su` of Magisk, KernelSU and their like.
    Su,
    /// `su` of Android's own builds for developers.
    SuZero,
}

impl Root {
    /// The way there is, with nothing changed on the device.
    pub fn find(device: &Device) -> Result<Option<Self>> {
        if is_root(device, Self::Shell)? {
            return Ok(Some(Self::Shell));
        }
        for way in [Self::Su, Self::SuZero] {
            if is_root(device, way)? {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    /// The same, and where the shell is not root's it asks adbd to make it so first.
    pub fn gain(device: &Device) -> Result<Self> {
        if is_root(device, Self::Shell)? || restart(device)? {
            return Ok(Self::Shell);
        }
        if let Some(way) = Self::find(device)? {
            return Ok(way);
        }
        bail!(
            "no root on this device: neither `adb root` nor `su` works\nhint: take an emulator without the Play Store, a userdebug build, or a phone with Magisk or KernelSU that allows the shell to be root"
        )
    }

    /// The script, so that it runs as root.
    pub fn script(self, script: &str) -> String {
        match self {
            Self::Shell => script.to_owned(),
            Self::Su => format!("su -c {}", quote(script)),
            Self::SuZero => format!("su 0 sh -c {}", quote(script)),
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::Shell => "yes, the shell is",
            Self::Su | Self::SuZero => "yes, by su",
        }
    }
}

fn is_root(device: &Device, way: Root) -> Result<bool> {
    if way == Root::Shell {
        return Ok(device.shell("id -u")?.stdout.trim() == "0");
    }
    // Where there is no su, the shell would say so at length.
    let script = format!("command -v su >/dev/null 2>&1 && {}", way.script("id -u"));
    // A question on the device's screen that nobody answers is a no.
    Ok(device
        .shell_patiently(&script, SU_PATIENCE)
        .is_ok_and(|output| output.stdout.trim() == "0"))
}

/// Has adbd start again as root, where it does that.
fn restart(device: &Device) -> Result<bool> {
    let answer = device.adb(&["root"])?;
    if !answer.stdout.contains("restarting") && !answer.stdout.contains("already running as root") {
        return Ok(false);
    }
    let start = Instant::now();
    let mut is_back = false;
    while start.elapsed() < RESTART_PATIENCE {
        // One in the network is not found again by itself, or late.
        if device.serial.contains(':') {
            let _ = device.adb.connect(&device.serial);
        }
        // The first answers may still be those of the one that ends.
        is_back = device.adb(&["get-state"])?.stdout.trim() == "device";
        if is_back && is_root(device, Root::Shell).unwrap_or(false) {
            return Ok(true);
        }
        if is_back && start.elapsed() > ROOT_PATIENCE {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(200));
    }
    if is_back {
        return Ok(false);
    }
    bail!(
        "the device did not come back after `adb root`\nhint: unplug it and plug it in again, then start once more"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_stays_whole_on_its_way_through_su() {
        assert_eq!(Root::Shell.script("id -u"), "id -u");
        assert_eq!(Root::Su.script("echo 'a'"), r"su -c 'echo '\''a'\'''");
        assert_eq!(Root::SuZero.script("id -u"), "su 0 sh -c 'id -u'");
    }
}
