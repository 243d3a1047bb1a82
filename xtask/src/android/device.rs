//! One device: everything that is asked of it, and done to it, goes through here.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::adb::Adb;
use super::bounded::Output;

/// Where it may be written, and run from what was written.
pub const FOLDER: &str = "/data/local/tmp/tracer";
/// Where tracer serves when nobody says otherwise.
pub const PORT: u16 = 9741;

/// The longest that one of our scripts takes on a slow device.
const PATIENCE: Duration = Duration::from_secs(60);
/// Some megabytes over the slowest cable.
const PUSH_PATIENCE: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub struct Device {
    pub adb: Adb,
    pub serial: String,
    /// Where tracer, its log and the number of its process are kept.
    pub folder: String,
    /// Where tracer serves, on the device.
    pub port: u16,
}

impl Device {
    pub fn new(adb: Adb, serial: &str) -> Self {
        Self {
            adb,
            serial: serial.to_owned(),
            folder: FOLDER.to_owned(),
            port: PORT,
        }
    }

    /// The path of tracer, or of a file beside it.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Asks adb something about this device.
    pub fn adb(&self, arguments: &[&str]) -> Result<Output> {
        self.adb_patiently(arguments, PATIENCE)
    }

    fn adb_patiently(&self, arguments: &[&str], patience: Duration) -> Result<Output> {
        let mut all = vec!["-s", &*self.serial];
        all.extend(arguments);
        self.adb.run_patiently(&all, patience).map_err(|error| {
            anyhow!(
                "adb {}: {error:#}\nhint: is the device still there, and awake? (adb devices)",
                arguments.first().unwrap_or(&"")
            )
        })
    }

    /// Runs a script in the device's shell. An error where the device did not run it; what became of it is in the output.
    pub fn shell(&self, script: &str) -> Result<Output> {
        self.shell_patiently(script, PATIENCE)
    }

    pub fn shell_patiently(&self, script: &str, patience: Duration) -> Result<Output> {
        let output = self.adb_patiently(&["shell", script], patience)?;
        // adb itself has failed: the device is gone, for example.
        if !output.is_success() && is_of_adb(&output.stderr) {
            bail!(
                "{}\nhint: is the device still there? (adb devices)",
                output.summary()
            );
        }
        Ok(output)
    }

    /// The same for a script that must succeed; gives what it printed, without the end of its last line.
    pub fn ask(&self, script: &str) -> Result<String> {
        let output = self.shell(script)?;
        if !output.is_success() {
            bail!(
                "on the device: {}\nhint: may one write to {} there? (--folder names another)",
                output.summary(),
                self.folder
            );
        }
        Ok(output.stdout.trim_end().to_owned())
    }

    /// Copies a file to the device, with its permissions.
    pub fn push(&self, file: &Path, to: &str) -> Result<()> {
        let file = file.display().to_string();
        let output = self.adb_patiently(&["push", &file, to], PUSH_PATIENCE)?;
        if output.is_success() {
            return Ok(());
        }
        let said = format!("{}{}", output.stderr, output.stdout);
        bail!(
            "push failed: {}\nhint: {}",
            output.summary(),
            push_hint(&said)
        )
    }

    /// Makes a port of this machine lead to one of the device. False where the port is taken.
    pub fn forward(&self, port: u16, to: u16) -> Result<bool> {
        let (local, remote) = (format!("tcp:{port}"), format!("tcp:{to}"));
        let output = self.adb(&["forward", "--no-rebind", &local, &remote])?;
        if output.is_success() {
            return Ok(true);
        }
        let said = &output.stderr;
        if said.contains("in use") || said.contains("cannot bind") || said.contains("rebind") {
            return Ok(false);
        }
        bail!(
            "adb forward: {}\nhint: is the device still there? (adb devices)",
            output.summary()
        )
    }

    pub fn remove_forward(&self, port: u16) -> Result<()> {
        // One that is gone already is as well.
        self.adb(&["forward", "--remove", &format!("tcp:{port}")])
            .map(drop)
    }
}

/// A word that the device's shell takes as it is.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_of_adb(said: &str) -> bool {
    let first = said.lines().next().unwrap_or_default();
    first.starts_with("error: ") || first.starts_with("adb: ")
}

fn push_hint(said: &str) -> &'static str {
    if said.contains("No space left") {
        "free some space on the device (adb shell df /data)"
    } else if said.contains("Permission denied") {
        "remove what root has left there (adb shell su -c 'rm -r FOLDER'), or name another --folder"
    } else {
        "is the device still there, and its folder one that may be written to? (--folder)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_for_a_shell() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_push_that_fails_has_a_hint() {
        let check = |said, part: &str| assert!(push_hint(said).contains(part), "{said}");
        check("remote write failed: No space left on device", "free");
        check("couldn't create file: Permission denied", "--folder");
        check("device offline", "still there");
    }
}
