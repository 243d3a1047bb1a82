//! Which of the connected devices is meant?

use anyhow::{Result, bail};

use super::adb::{Adb, Listed};

/// The serials to work with: those named, or else all that are ready. Others are mentioned on stderr.
pub fn choose(adb: &Adb, named: &[String]) -> Result<Vec<String>> {
    let listed = adb.devices()?;
    for device in &listed {
        let is_ready = device.state == READY;
        if named.is_empty() && !is_ready && listed.iter().any(|other| other.state == READY) {
            eprintln!("{} is left out: {}", device.serial, explain(&device.state));
        }
    }
    pick(&listed, named)
}

/// adb's word for a device that can be used.
const READY: &str = "device";

fn pick(listed: &[Listed], named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() {
        let ready: Vec<String> = listed
            .iter()
            .filter(|device| device.state == READY)
            .map(|device| device.serial.clone())
            .collect();
        match listed {
            _ if !ready.is_empty() => return Ok(ready),
            [] => bail!(
                "no device is connected\nhint: plug in a phone with USB debugging switched on, start an emulator, or: adb connect ADDRESS:PORT"
            ),
            others => {
                let lines: Vec<String> = others.iter().map(line).collect();
                bail!("{}", lines.join("\n"));
            }
        }
    }
    for serial in named {
        match listed.iter().find(|device| device.serial == *serial) {
            Some(device) if device.state == READY => {}
            Some(device) => bail!("{}", line(device)),
            None => bail!(
                "there is no device {serial}\nhint: adb devices says which there are; one in the network needs adb connect {serial}"
            ),
        }
    }
    Ok(named.to_vec())
}

fn line(device: &Listed) -> String {
    format!("{} is not ready: {}", device.serial, explain(&device.state))
}

/// The state, and what to do about it.
fn explain(state: &str) -> String {
    let hint = match state.split_once(' ').map_or(state, |(first, _)| first) {
        "unauthorized" => "unlock it and allow this computer on its screen",
        "authorizing" | "connecting" => "wait a moment, and look at its screen",
        "offline" => "unplug it and plug it in again, or: adb reconnect offline",
        "no" => {
            "this user may not open it: install udev rules (Debian: the package android-sdk-platform-tools-common), be in the group plugdev, plug it in again"
        }
        _ => "start Android on it (adb reboot)",
    };
    format!("{state}\nhint: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listed: &[(&str, &str)], named: &[&str], expected: Result<&[&str], &str>) {
        let listed: Vec<Listed> = listed
            .iter()
            .map(|(serial, state)| Listed {
                serial: (*serial).to_owned(),
                state: (*state).to_owned(),
            })
            .collect();
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        match (pick(&listed, &named), expected) {
            (Ok(picked), Ok(expected)) => assert_eq!(picked, expected),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{error}");
                assert_eq!(
                    error.matches("hint: ").count(),
                    error.lines().count() / 2,
                    "{error}"
                );
            }
            (picked, expected) => panic!("{picked:?}, not {expected:?}"),
        }
    }

    #[test]
    fn those_that_are_ready_are_taken() {
        let two = [("a", "device"), ("b", "offline"), ("c", "device")];
        check(&two, &[], Ok(&["a", "c"]));
        check(&two, &["c"], Ok(&["c"]));
        check(&two, &["b"], Err("b is not ready: offline\nhint: unplug"));
        check(&two, &["d"], Err("there is no device d\nhint: "));
    }

    #[test]
    fn each_state_has_its_hint() {
        check(&[], &[], Err("no device is connected\nhint: plug in"));
        let check_state = |state: &str, hint: &str| check(&[("a", state)], &[], Err(hint));
        check_state("unauthorized", "unauthorized\nhint: unlock it");
        check_state("no permissions (x); see [y]", "hint: this user");
        check_state("recovery", "hint: start Android");
        check(
            &[("a", "offline"), ("b", "unauthorized")],
            &[],
            Err("hint: unplug it and plug it in again, or: adb reconnect offline\nb is"),
        );
    }
}
