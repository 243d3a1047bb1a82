//! What is on the phone's disk when it starts?

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::inside::{self, GETPROP, PACKAGES, PROPERTIES};
use super::models::Model;
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::cross;
use crate::packages::Packages;
use crate::step;
use crate::vm::archive::Archive;

/// What the phone's own packages are at the start: its system's, and a few that share a uid.
pub const LIST: &str = "\
    android 1000 0 /data/system platform:privapp none 0 34 1 @system\n\
    com.android.settings 1000 0 /data/user_de/0/com.android.settings platform none 0 34 1 @system\n\
    com.android.phone 1001 0 /data/user_de/0/com.android.phone platform none 0 34 1 @system\n\
    com.android.providers.downloads 10050 0 /data/user/0/com.android.providers.downloads platform 3003 0 34 1 @system\n\
    com.android.providers.media 10050 0 /data/user/0/com.android.providers.media platform none 0 34 1 @system\n\
    com.google.android.webview 10051 0 /data/user/0/com.google.android.webview default none 0 99 1 @product\n";

/// The programs that live on the phone, and the one that its shell's are.
pub struct Programs {
    inhabitants: Vec<(&'static str, PathBuf)>,
    busybox: PathBuf,
}

impl Programs {
    pub fn build(cache: &Cache) -> Result<Self> {
        let packages = Packages::new(cache);
        let mut command = cross::cargo(cache, &packages, Architecture::Arm, "")?;
        cross::for_tests(&mut command);
        step::finish(
            command
                .args([
                    "build",
                    "--workspace",
                    "--target",
                    Architecture::Arm.triple(),
                ])
                .args(["--example", "phone", "--example", "adbd"])
                .arg("--target-dir")
                .arg(build::target_dir())
                .current_dir(step::workspace())
                .stdout(Stdio::null()),
        )?;
        Self::built(cache)
    }

    /// Those that were built with the tests.
    pub fn built(cache: &Cache) -> Result<Self> {
        let examples = build::tests_dir(Architecture::Arm).join("examples");
        let names = ["phone", "adbd"];
        Ok(Self {
            inhabitants: names.map(|name| (name, examples.join(name))).to_vec(),
            busybox: busybox(cache)?,
        })
    }

    /// The archive that the kernel of a model unpacks.
    pub fn archive(&self, model: &Model, path: &Path) -> Result<()> {
        let mut archive = Archive::create(path)?;
        for folder in [
            "/dev",
            "/proc",
            "/sys",
            "/system/bin",
            "/data/system",
            "/data/local/tmp",
            "/data/adb",
        ] {
            archive.directory(folder)?;
        }
        archive.link("/bin", "/system/bin")?;
        archive.file("/init", inside::init(model).as_bytes())?;
        archive.copy("/system/bin/busybox", &self.busybox)?;
        for (name, program) in &self.inhabitants {
            if !program.exists() {
                bail!("{} was not built", program.display());
            }
            archive.copy(&format!("/system/bin/{name}"), program)?;
        }
        archive.file("/system/bin/getprop", GETPROP.as_bytes())?;
        let properties = inside::properties(model);
        archive.file(PROPERTIES, properties.as_bytes())?;
        // As on phones that are sold.
        archive.secret("/system/build.prop", properties.as_bytes())?;
        archive.file(PACKAGES, LIST.as_bytes())?;
        archive.finish().context("the phone's disk")
    }
}

/// The program that a phone's shell is.
pub fn busybox(cache: &Cache) -> Result<PathBuf> {
    let busybox = cache.folder("busybox-arm64", |folder| {
        Packages::new(cache).unpack(&["busybox-static"], Architecture::Arm, folder)
    })?;
    Ok(busybox.join("bin/busybox"))
}
