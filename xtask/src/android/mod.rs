//! How does tracer get onto a phone? `cargo xtask android`.

mod module;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::build;
use module::Binaries;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the module for Magisk, KernelSU and APatch, which starts tracer at every boot
    Module {
        /// Where to write it [default: target/android/tracer-VERSION-module.zip]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub fn android(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Module { output } => {
            let output = output.unwrap_or_else(|| {
                build::target_dir()
                    .join("android")
                    .join(module::file_name())
            });
            module::module(&binaries()?, &output)?;
            eprintln!("module: {}", output.display());
            Ok(())
        }
    }
}

/// The binaries of both architectures, where they are built.
fn binaries() -> Result<Binaries> {
    let folder = build::target_dir().join("android");
    let binaries = Binaries {
        arm64: folder.join("arm64-v8a/tracer"),
        x86_64: folder.join("x86_64/tracer"),
    };
    for path in [&binaries.arm64, &binaries.x86_64] {
        if !path.is_file() {
            bail!(
                "{} is not there\nhint: cargo xtask android build",
                path.display()
            );
        }
    }
    Ok(binaries)
}
