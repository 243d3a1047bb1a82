//! Which processors does tracer run on, and what does everybody call them?

use std::env;

use anyhow::{Result, bail};

/// What tracer is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Architecture {
    X86,
    Arm,
}

impl Architecture {
    pub fn of_this_machine() -> Result<Self> {
        match env::consts::ARCH {
            "x86_64" => Ok(Self::X86),
            "aarch64" => Ok(Self::Arm),
            other => bail!("tracer is not built on {other}"),
        }
    }

    /// Debian's name for it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }

    /// Android's name for it.
    pub fn android(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64-v8a",
        }
    }

    /// Rust's name for Linux on it.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Arm => "aarch64-unknown-linux-gnu",
        }
    }

    /// The folder that Debian keeps its libraries in.
    pub fn libraries(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-linux-gnu",
            Self::Arm => "aarch64-linux-gnu",
        }
    }

    /// Where programs look for what loads their libraries.
    pub fn loader(self) -> &'static str {
        match self {
            Self::X86 => "/lib64/ld-linux-x86-64.so.2",
            Self::Arm => "/lib/ld-linux-aarch64.so.1",
        }
    }
}
