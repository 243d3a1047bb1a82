//! How is something built for a machine without libraries, perhaps of another architecture?

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::architecture::Architecture;
use crate::cache::{self, Cache};
use crate::ebpf;
use crate::packages::Packages;
use crate::step;

/// The cargo for an architecture, told how to link. `further` goes to rustc too.
pub fn cargo(
    cache: &Cache,
    packages: &Packages,
    architecture: Architecture,
    further: &str,
) -> Result<Command> {
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let flags = format!("{flags} -C target-feature=+crt-static {further}");
    if architecture.triple().starts_with(env::consts::ARCH) {
        let mut command = step::cargo(&[]);
        command.env("RUSTFLAGS", flags.trim());
        return Ok(command);
    }
    if architecture != Architecture::Arm {
        bail!(
            "what runs on x86-64 is built on x86-64 only\nhint: ask for arm64 alone (vm: --kernel, android: --arch)"
        );
    }
    let linker = "aarch64-linux-gnu-gcc";
    if has_std(architecture) {
        let mut command = step::cargo(&[]);
        command
            .env("RUSTFLAGS", flags.trim())
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", linker);
        return Ok(command);
    }
    let toolchain = ebpf::toolchain().map_err(anyhow::Error::msg)?;
    if !toolchain.core_is_prebuilt {
        bail!(
            "no Rust here builds for arm64\nhint: rustup target add {}",
            architecture.triple()
        );
    }
    let sysroot = debian_std(cache, packages, architecture)?;
    let mut command = ebpf::clean_command(&toolchain.cargo);
    command
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", linker)
        .env(
            "RUSTFLAGS",
            format!("{flags} --sysroot {}", sysroot.display()).trim(),
        );
    Ok(command)
}

/// Gets the standard library for an architecture, where the Rust that runs us has none.
pub fn fetch(cache: &Cache, packages: &Packages, architecture: Architecture) -> Result<()> {
    if architecture.triple().starts_with(env::consts::ARCH) || has_std(architecture) {
        return Ok(());
    }
    debian_std(cache, packages, architecture).map(drop)
}

/// Has the tests, and what they run, built alike for this machine and for emulated ones, so that nothing is built twice.
pub fn for_tests(command: &mut Command) {
    command
        // An emulated processor is slow: without optimisation, that of what it depends on too, the tests would wait for the
        // tracer for longer than it takes to optimise.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        // All of this is copied into such a machine's memory.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
}

/// Whether the Rust that runs us has the standard library of an architecture.
fn has_std(architecture: Architecture) -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    Command::new(rustc)
        .args([
            "--print",
            "target-libdir",
            "--target",
            architecture.triple(),
        ])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// A folder with the standard library of Debian's Rust for another architecture. It is a package like any other, and
/// cannot be installed beside the one of this architecture. Proc macros are built with the Rust that is installed.
fn debian_std(cache: &Cache, packages: &Packages, architecture: Architecture) -> Result<PathBuf> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Version}", "rustc-web"])
        .output()
        .context("start dpkg-query")?;
    // It must be of the very same version.
    let version = String::from_utf8(output.stdout).context("the version of rustc-web")?;
    let name = format!("std-{}-{}", architecture.debian(), cache::key(&version));
    cache.folder(&name, |folder| {
        let unpacked = folder.join("unpacked");
        let package = format!("libstd-rust-web-dev={version}");
        packages.unpack(&[&package], architecture, &unpacked)?;
        let inside = format!("lib/rustlib/{}", architecture.triple());
        fs::create_dir_all(folder.join("lib/rustlib")).context("create the sysroot")?;
        fs::rename(unpacked.join("usr").join(&inside), folder.join(&inside))
            .context("take the standard library from its package")?;
        fs::remove_dir_all(&unpacked).context("remove the rest of the package")
    })
}
