//! tracer on phones: how is it built for them, put there, started and looked after?

mod build;
mod elf;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};

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
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Arm64,
    #[value(name = "x86_64")]
    X86,
}

pub fn android(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Build { architectures } => {
            let architectures: Vec<Architecture> = if architectures.is_empty() {
                build::ALL.to_vec()
            } else {
                architectures
                    .iter()
                    .map(|name| name.architecture())
                    .collect()
            };
            build::build(&architectures).map(drop)
        }
    }
}

impl Name {
    fn architecture(self) -> Architecture {
        match self {
            Self::Arm64 => Architecture::Arm,
            Self::X86 => Architecture::X86,
        }
    }
}
