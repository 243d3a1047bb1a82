//! How is a phone switched on, and off again?

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::image::Programs;
use super::inside::{ADBD, BOOTED};
use super::models::Model;
use crate::cache::Cache;
use crate::vm::machine::{Pace, join, qemu};
use crate::vm::modules;

/// Emulation is slow, and other phones may be starting too.
const PATIENCE: Duration = Duration::from_secs(180);
/// Three phones at a time have no more of this machine, and emulated processors that wait for each other cost twice as much.
const PROCESSORS: u8 = 1;
/// How often a phone is switched on that does not start: the emulator now and then trips over a kernel.
const STARTS: u32 = 3;

/// A phone that is on. It goes off with the value.
pub struct Emulator {
    process: Child,
    console: PathBuf,
    /// The port of this machine that leads to its adbd.
    pub port: u16,
}

impl Emulator {
    /// Returns when all who live on it are there.
    pub fn start(model: &Model, programs: &Programs, cache: &Cache, folder: &Path) -> Result<Self> {
        let image = modules::image(cache, model.kernel())?;
        let disk = folder.join(format!("{}.cpio", model.name));
        programs.archive(model, &disk)?;
        let initrd = folder.join(format!("{}.initrd", model.name));
        join(&[&disk, &image.modules], &initrd)?;
        fs::remove_file(&disk).with_context(|| format!("remove {}", disk.display()))?;
        let console = folder.join(format!("{}.console.log", model.name));
        for attempt in 1.. {
            let end = Self::start_once(model, &image.kernel, &initrd, &console);
            match end {
                Err(error) if attempt < STARTS => {
                    eprintln!("again   {}: {error:#}", model.name);
                }
                end => return end,
            }
        }
        bail!("it was not started")
    }

    fn start_once(model: &Model, kernel: &Path, initrd: &Path, console: &Path) -> Result<Self> {
        let complaints =
            File::create(console).with_context(|| format!("write {}", console.display()))?;
        let port = free_port()?;
        // Restricted: nothing leaves the phone, and only adbd is reached.
        let network =
            format!("user,id=cable,restrict=on,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:{ADBD}");
        let process = qemu(model.kernel(), Pace::Free(PROCESSORS))
            .args(["-netdev", &network])
            .args(["-device", "virtio-net-pci,netdev=cable,romfile="])
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(initrd)
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .stdin(Stdio::null())
            .stderr(complaints)
            .spawn()
            .context("start qemu")?;
        let mut emulator = Self {
            process,
            console: console.to_owned(),
            port,
        };
        emulator.wait()?;
        Ok(emulator)
    }

    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let said = fs::read(&self.console).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            if said.contains(BOOTED) {
                return Ok(());
            }
            let ended = self.process.try_wait().context("wait for qemu")?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                bail!(
                    "it does not start; last it said {last:?}\nhint: all of it is in {}",
                    self.console.display()
                );
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// Waits until it goes off by itself.
    pub fn join(&mut self) -> Result<()> {
        self.process.wait().context("wait for qemu").map(drop)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of this machine where nobody listens.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
