//! Which processors does tracer run on, and what does everybody call them?

/// What tracer is built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Architecture {
    X86,
    Arm,
}

impl Architecture {
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
