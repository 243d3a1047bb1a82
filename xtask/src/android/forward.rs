//! By which port of this machine is a device's tracer reached, and who made it so?

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

use super::adb::Adb;
use super::device::{Device, PORT, quote};
use super::root::Root;

/// Beside tracer on the device: a line for each forward that a start has made, with its port.
const NOTE: &str = "tracer.forward";

/// How many ports are tried.
const TRIES: u16 = 200;

/// The port that leads to it already.
pub fn existing(device: &Device) -> Result<Option<u16>> {
    let forwards = list(&device.adb)?;
    Ok(forwards
        .iter()
        .find(|forward| forward.serial == device.serial && forward.remote == device.port)
        .map(|forward| forward.port))
}

/// Which port of this machine somebody wants.
#[derive(Clone, Copy)]
pub struct Wish {
    /// The first that will do.
    pub from: u16,
    /// Whether no other will.
    pub is_exact: bool,
}

impl Default for Wish {
    /// The one that tracer has on the device, or the next that is free.
    fn default() -> Self {
        Self {
            from: PORT,
            is_exact: false,
        }
    }
}

/// The port that leads to it already, or else a new one, which is noted.
pub fn forward(device: &Device, root: Root, wish: Wish) -> Result<u16> {
    if let Some(port) = existing(device)?
        && (!wish.is_exact || wish.from == port)
    {
        return Ok(port);
    }
    let tries = if wish.is_exact { 1 } else { TRIES };
    let last = wish.from.saturating_add(tries - 1);
    for port in wish.from..=last {
        if is_free(port) && device.forward(port, device.port)? {
            if let Err(error) = note(device, root, port) {
                remove(device, port)?;
                return Err(error);
            }
            return Ok(port);
        }
    }
    if wish.is_exact {
        bail!(
            "port {} is taken\nhint: name another with --port, or none to get the next that is free",
            wish.from
        );
    }
    bail!(
        "the ports {} to {last} are taken\nhint: name another with --port, or remove forwards (adb forward --remove-all)",
        wish.from
    )
}

/// Writes down on the device which one was made, for who stops it: what somebody else has made is not ours to take away.
fn note(device: &Device, root: Root, port: u16) -> Result<()> {
    let script = format!("echo {port} >> {}", quote(&device.path(NOTE)));
    let output = device.shell(&root.script(&script))?;
    if !output.is_success() {
        bail!(
            "note the forward: {}\nhint: may root write to {}?",
            output.summary(),
            device.folder
        );
    }
    Ok(())
}

/// Takes away those that were noted, and the note.
pub fn take_back(device: &Device, root: Root) -> Result<()> {
    let note = quote(&device.path(NOTE));
    let noted = device.shell(&root.script(&format!("cat {note} 2>/dev/null")))?;
    for port in noted.stdout.lines().filter_map(|line| line.parse().ok()) {
        remove(device, port)?;
    }
    device.shell(&root.script(&format!("rm -f {note}")))?;
    Ok(())
}

/// Takes one away; one that is gone already, or leads elsewhere by now, is left as it is.
fn remove(device: &Device, port: u16) -> Result<()> {
    let leads = || -> Result<bool> {
        let forwards = list(&device.adb)?;
        Ok(forwards.contains(&Listed {
            serial: device.serial.clone(),
            port,
            remote: device.port,
        }))
    };
    if !leads()? {
        return Ok(());
    }
    device.remove_forward(port)?;
    if leads()? {
        bail!(
            "port {port} of this machine still leads to the device\nhint: adb forward --remove tcp:{port}"
        );
    }
    Ok(())
}

/// Some programs share a port in a way that adb would not notice.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Listed {
    serial: String,
    port: u16,
    remote: u16,
}

fn list(adb: &Adb) -> Result<Vec<Listed>> {
    let output = adb.run(&["forward", "--list"])?;
    if !output.is_success() {
        bail!(
            "adb forward --list: {}\nhint: is adb's server of another version, or of another user? (adb kill-server)",
            output.summary()
        );
    }
    Ok(read(&output.stdout))
}

/// Lines of `SERIAL tcp:PORT tcp:PORT`; others are forwards of another kind.
fn read(text: &str) -> Vec<Listed> {
    let port = |word: &str| word.strip_prefix("tcp:")?.parse().ok();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(Listed {
                serial: words.next()?.to_owned(),
                port: port(words.next()?)?,
                remote: port(words.next()?)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_read_from_what_adb_lists() {
        let text =
            "0A tcp:9741 tcp:9741\n0A tcp:9000 localabstract:x\n127.0.0.1:5 tcp:9742 tcp:9741\n\n";
        let forward = |serial: &str, port| Listed {
            serial: serial.to_owned(),
            port,
            remote: 9741,
        };
        assert_eq!(
            read(text),
            [forward("0A", 9741), forward("127.0.0.1:5", 9742)]
        );
    }
}
