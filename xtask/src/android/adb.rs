//! The real adb client: how is it asked, and which devices does it know?

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::bounded::{self, Output};
use crate::setup;

/// Long enough to start adb's server, and to open a connection.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
pub struct Adb {
    /// The port of adb's server. Without it adb decides; `ANDROID_ADB_SERVER_PORT` tells it too.
    pub server: Option<u16>,
}

/// A device as `adb devices` has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub serial: String,
    pub state: String,
}

impl Adb {
    /// Installs adb where it is missing.
    pub fn ready() -> Result<Self> {
        setup::setup_adb()?;
        Ok(Self::default())
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new("adb");
        if let Some(port) = self.server {
            command.args(["-P", &port.to_string()]);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.run_patiently(arguments, PATIENCE)
            .with_context(|| format!("adb {}", arguments.join(" ")))
    }

    pub fn run_patiently(&self, arguments: &[&str], patience: Duration) -> Result<Output> {
        bounded::output(self.command().args(arguments), patience)
    }

    /// Connects to a device by TCP: `ADDRESS:PORT` is its serial from then on.
    pub fn connect(&self, address: &str) -> Result<()> {
        let output = self.run(&["connect", address])?;
        // It returns 0 whatever happens.
        if !output.stdout.contains("connected to") {
            bail!(
                "adb connect {address}: {}\nhint: does adbd listen there? (adb tcpip 5555, over USB)",
                output.summary()
            );
        }
        Ok(())
    }

    pub fn devices(&self) -> Result<Vec<Listed>> {
        let output = self.run(&["devices"])?;
        if !output.is_success() {
            bail!(
                "adb devices: {}\nhint: is adb's server of another version, or of another user? (adb kill-server)",
                output.summary()
            );
        }
        Ok(listed(&output.stdout))
    }
}

/// Reads `adb devices`: a serial and a state, with a tab between. What the server says of itself has none.
fn listed(text: &str) -> Vec<Listed> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(serial, state)| Listed {
            serial: serial.trim().to_owned(),
            state: state.trim().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_what_adb_lists() {
        let text = "* daemon started successfully\nList of devices attached\n0A1B\tdevice\n\
                    127.0.0.1:5555\tunauthorized\n\
                    9Z\tno permissions (user in plugdev group; are your udev rules wrong?); see [http://x]\n\n";
        let found = listed(text);
        let found: Vec<_> = found
            .iter()
            .map(|listed| (&*listed.serial, &*listed.state))
            .collect();
        assert_eq!(
            found,
            [
                ("0A1B", "device"),
                ("127.0.0.1:5555", "unauthorized"),
                (
                    "9Z",
                    "no permissions (user in plugdev group; are your udev rules wrong?); see [http://x]"
                ),
            ]
        );
        assert_eq!(listed("List of devices attached\n\n"), []);
    }
}
