//! From nothing to a phone on which the tracer runs.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::emulator::Emulator;
use super::image::Programs;
use super::models::Model;
use crate::android::adb::Adb;
use crate::android::device::Device;
use crate::build;
use crate::cache::Cache;

/// adbd answers within a second or two, on a machine that is busy later.
const PATIENCE: Duration = Duration::from_secs(60);

/// A phone that is on and known to adb.
pub struct Phone {
    pub emulator: Emulator,
    pub device: Device,
}

/// Where phones keep what they say.
pub fn folder() -> Result<PathBuf> {
    let folder = build::target_dir().join("phone");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

impl Phone {
    /// Switches it on and connects adb to it.
    pub fn start(model: &Model, programs: &Programs, cache: &Cache, adb: &Adb) -> Result<Self> {
        let emulator = Emulator::start(model, programs, cache, &folder()?)?;
        let serial = format!("127.0.0.1:{}", emulator.port);
        let start = Instant::now();
        loop {
            match adb.connect(&serial) {
                Ok(()) => break,
                Err(_) if start.elapsed() < PATIENCE => sleep(Duration::from_millis(500)),
                Err(error) => return Err(error),
            }
        }
        let device = Device::new(adb.clone(), &serial);
        Ok(Self { emulator, device })
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // adb would go on looking for it.
        let _ = self.device.adb.run(&["disconnect", &self.device.serial]);
    }
}
