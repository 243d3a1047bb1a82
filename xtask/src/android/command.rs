//! What can be asked of phones on the command line, and how are several of them asked in turn?

use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::adb::Adb;
use super::device::{Device, FOLDER, PORT};
use super::forward::Wish;
use super::module::{self, Binaries};
use super::start::Before;
use super::{build, choose, logs, push, start, status, stop};
use crate::architecture::Architecture;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the static binaries that phones run
    Build {
        /// Only this architecture; may be given several times. Without it, both
        #[arg(long = "arch", value_name = "NAME")]
        architectures: Vec<Name>,
    },
    /// Make the module for Magisk, KernelSU and APatch, which starts tracer at every boot
    Module {
        /// Where to write it [default: target/android/tracer-VERSION-module.zip]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Put tracer on devices, after building what they need
    Push {
        #[command(flatten)]
        chosen: Chosen,
        /// Push this file instead
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
    },
    /// Start tracer on devices as root, and print where its metrics are found
    Start {
        #[command(flatten)]
        chosen: Chosen,
        /// The port of this machine that leads to the first device. Without it, the first that is free from 9741 on
        #[arg(long)]
        port: Option<u16>,
        /// Passed on to `tracer run`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Stop tracer on devices
    Stop {
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Say what devices there are, and how tracer does on them
    Status {
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Show what tracer said on devices
    Logs {
        #[command(flatten)]
        chosen: Chosen,
        /// Go on with what it says from now on
        #[arg(long)]
        follow: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Arm64,
    #[value(name = "x86_64")]
    X86,
}

#[derive(Args)]
struct Chosen {
    /// Only this device, as `adb devices` calls it; may be given several times. Without it, all that are ready
    #[arg(long = "serial", value_name = "SERIAL")]
    serials: Vec<String>,
    /// Where tracer and its log are kept on the device
    #[arg(long, value_name = "PATH", default_value = FOLDER)]
    folder: String,
    /// Where tracer serves on the device
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    device_port: u16,
}

pub fn android(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Build { architectures } => {
            let named: Vec<Architecture> = architectures
                .iter()
                .map(|name| match name {
                    Name::Arm64 => Architecture::Arm,
                    Name::X86 => Architecture::X86,
                })
                .collect();
            let all = if named.is_empty() {
                &build::ALL[..]
            } else {
                &named
            };
            build::build(all).map(drop)
        }
        Command::Module { output } => {
            let binaries = Binaries {
                arm64: build::build_one(Architecture::Arm)?,
                x86_64: build::build_one(Architecture::X86)?,
            };
            let default = crate::build::target_dir().join("android");
            let output = output
                .clone()
                .unwrap_or_else(|| default.join(module::file_name()));
            module::module(&binaries, &output)?;
            say(None, &output.display().to_string());
            Ok(())
        }
        Command::Push { chosen, binary } => chosen.each(|device, _| {
            let binary = match binary {
                Some(binary) => binary.clone(),
                None => push::binary_for(device)?,
            };
            let size = push::push(device, &binary)?;
            say(
                Some(device),
                &format!("{} {size} bytes", device.path("tracer")),
            );
            Ok(())
        }),
        Command::Start {
            chosen,
            port,
            arguments,
        } => chosen.each(|device, place| {
            // Only one device can have the port that was named; the others come behind it.
            let wish = Wish {
                from: port.unwrap_or(PORT),
                is_exact: port.is_some() && place == 0,
            };
            let started = start::start(device, wish, arguments)?;
            if started.before == Before::Running {
                eprintln!("{}: tracer is running already", device.serial);
            }
            say(Some(device), &started.address());
            Ok(())
        }),
        Command::Stop { chosen } => chosen.each(|device, _| {
            let was_running = stop::stop(device)?;
            let word = if was_running {
                "stopped"
            } else {
                "was not running"
            };
            say(Some(device), word);
            Ok(())
        }),
        Command::Status { chosen } => chosen.each(|device, _| {
            for (name, value) in status::status(device)? {
                say(Some(device), &format!("{name:<8} {value}"));
            }
            Ok(())
        }),
        Command::Logs { chosen, follow } => {
            let devices = chosen.devices()?;
            let is_alone = devices.len() == 1;
            if *follow {
                return follow_all(&devices);
            }
            each(&devices, |device, _| {
                let text = logs::logs(device)?;
                say((!is_alone).then_some(device), text.trim_end());
                Ok(())
            })
        }
    }
}

impl Chosen {
    fn devices(&self) -> Result<Vec<Device>> {
        let adb = Adb::ready()?;
        let serials = choose::choose(&adb, &self.serials)?;
        let device = |serial: &String| Device {
            folder: self.folder.trim_end_matches('/').to_owned(),
            port: self.device_port,
            ..Device::new(adb.clone(), serial)
        };
        Ok(serials.iter().map(device).collect())
    }

    fn each(&self, work: impl Fn(&Device, usize) -> Result<()>) -> Result<()> {
        each(&self.devices()?, work)
    }
}

/// One after the other; one that fails does not keep the next from its turn.
fn each(devices: &[Device], work: impl Fn(&Device, usize) -> Result<()>) -> Result<()> {
    let mut failed = 0;
    for (place, device) in devices.iter().enumerate() {
        let end = work(device, place).with_context(|| device.serial.clone());
        if devices.len() == 1 {
            return end;
        }
        if let Err(error) = end {
            failed += 1;
            eprintln!("error: {error:#}");
        }
    }
    if failed > 0 {
        bail!("{failed} of {} devices failed", devices.len());
    }
    Ok(())
}

/// At the same time: none of them ends by itself.
fn follow_all(devices: &[Device]) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = devices
            .iter()
            .map(|device| scope.spawn(|| logs::follow(device, devices.len() > 1)))
            .collect();
        let ends = devices.iter().zip(threads).map(|(device, thread)| {
            let end = thread.join().unwrap_or(Ok(()));
            end.with_context(|| device.serial.clone())
        });
        ends.collect()
    })
}

/// Prints lines about a device, each behind its serial.
#[expect(clippy::print_stdout, reason = "what was asked for goes to stdout")]
pub fn say(device: Option<&Device>, text: &str) {
    for line in text.lines() {
        match device {
            Some(device) => println!("{} {line}", device.serial),
            None => println!("{line}"),
        }
    }
}
