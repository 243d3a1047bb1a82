//! Which kernels are the live tests run on? The table.

use crate::architecture::Architecture;
use crate::packages::Suite;

/// The Debian packages that a kernel is in; of what fits, the newest version is taken.
#[derive(Clone, Copy, Debug, Hash)]
pub enum Package {
    /// The image and its modules are one: its name is `start`, a version, and `end`.
    Whole {
        start: &'static str,
        end: &'static str,
    },
    /// From Linux 7 on: `linux-binary-`, a version and `end`, and the same with `linux-modules-`.
    Split { end: &'static str },
}

impl Package {
    pub fn end(self) -> &'static str {
        match self {
            Self::Whole { end, .. } | Self::Split { end } => end,
        }
    }
}

/// A kernel, and how it is started.
#[derive(Debug)]
pub struct Kernel {
    /// What `--kernel` and the table of results call it.
    pub name: &'static str,
    pub architecture: Architecture,
    pub suite: Suite,
    pub package: Package,
    /// qemu's name of the processor.
    pub processor: &'static str,
    /// Whether the kernel tells of its types; otherwise that is hidden before the tests start.
    pub has_types: bool,
}

/// Has Linux 5.10; where the updates of an architecture are gone from the archive, the last release has it.
const BULLSEYE: Suite = Suite::Other(&["bullseye-security", "bullseye"]);
/// The newest that Debian has packaged.
const BACKPORTS: Suite = Suite::Other(&["trixie-backports"]);

const fn whole(start: &'static str, end: &'static str) -> Package {
    Package::Whole { start, end }
}

/// From the oldest that phones still run to the newest: 5.10 is the base of Android 12 and 13, 6.1 of Android 14, 6.12 with
/// pages of 16 KB of Android 16. Those of arm64 run the days of `cargo xtask phone` besides.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        name: "x86-5.10",
        architecture: Architecture::X86,
        suite: BULLSEYE,
        package: whole("linux-image-5.10.0-", "-cloud-amd64"),
        processor: "Nehalem",
        has_types: true,
    },
    Kernel {
        name: "x86-6.1",
        architecture: Architecture::X86,
        suite: Suite::Own,
        package: whole("linux-image-6.1.0-", "-cloud-amd64-unsigned"),
        processor: "Nehalem",
        has_types: true,
    },
    Kernel {
        name: "x86-6.1-no-btf",
        architecture: Architecture::X86,
        suite: Suite::Own,
        package: whole("linux-image-6.1.0-", "-cloud-amd64-unsigned"),
        processor: "Nehalem",
        has_types: false,
    },
    Kernel {
        name: "x86-6.12",
        architecture: Architecture::X86,
        suite: Suite::Own,
        package: whole("linux-image-6.12.", "-cloud-amd64-unsigned"),
        processor: "Nehalem",
        has_types: true,
    },
    Kernel {
        name: "x86-7",
        architecture: Architecture::X86,
        suite: BACKPORTS,
        package: Package::Split {
            end: "-cloud-amd64",
        },
        processor: "Nehalem",
        has_types: true,
    },
    Kernel {
        name: "arm-5.10",
        architecture: Architecture::Arm,
        suite: BULLSEYE,
        package: whole("linux-image-5.10.0-", "-cloud-arm64"),
        processor: "cortex-a76",
        has_types: true,
    },
    Kernel {
        name: "arm-6.1",
        architecture: Architecture::Arm,
        suite: Suite::Own,
        package: whole("linux-image-6.1.0-", "-cloud-arm64-unsigned"),
        processor: "cortex-a76",
        has_types: true,
    },
    Kernel {
        name: "arm-6.12-16k",
        architecture: Architecture::Arm,
        suite: Suite::Own,
        package: whole("linux-image-6.12.", "-arm64-16k-unsigned"),
        // The cortex has no pages of 16 KB; `max` has, and is half as fast.
        processor: "neoverse-n1",
        has_types: true,
    },
];
