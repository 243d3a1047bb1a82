//! Which kernels are the live tests run on? The table.

use crate::architecture::Architecture;

/// How many of the tests run on a kernel when nobody asks for more: all of them on every kernel would take half an hour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Share {
    /// What depends on the offsets that are measured; the rest of such a kernel is that of one with types.
    Measured,
    /// Those that find most of what a kernel does otherwise.
    Core,
    /// Whatever reads the kernel's structures or hooks its functions.
    Most,
    Whole,
    /// Every one: for who names kernels or tests.
    Named,
}

/// A kernel, and how it is started.
#[derive(Debug)]
pub struct Kernel {
    /// What `--kernel` and the table of results call it.
    pub name: &'static str,
    pub architecture: Architecture,
    /// The Debian package is this, a version, and `package_end`: the newest is taken.
    pub package_start: &'static str,
    pub package_end: &'static str,
    /// qemu's name of the processor.
    pub processor: &'static str,
    /// Whether the kernel tells of its types; otherwise that is hidden before the tests start.
    pub has_types: bool,
    pub share: Share,
}

/// The oldest and the newest Debian has for bookworm, as it is what phones of today run: 6.1 is the base of Android 14,
/// 6.12 with pages of 16 KB that of Android 16. Those of arm64 run the days of `cargo xtask phone` besides.
pub const KERNELS: &[Kernel] = &[
    Kernel {
        name: "x86-6.1",
        architecture: Architecture::X86,
        package_start: "linux-image-6.1.0-",
        package_end: "-cloud-amd64-unsigned",
        processor: "Nehalem",
        has_types: true,
        share: Share::Whole,
    },
    Kernel {
        name: "x86-6.1-no-btf",
        architecture: Architecture::X86,
        package_start: "linux-image-6.1.0-",
        package_end: "-cloud-amd64-unsigned",
        processor: "Nehalem",
        has_types: false,
        share: Share::Measured,
    },
    Kernel {
        name: "x86-6.12",
        architecture: Architecture::X86,
        package_start: "linux-image-6.12.",
        package_end: "-cloud-amd64-unsigned",
        processor: "Nehalem",
        has_types: true,
        share: Share::Most,
    },
    Kernel {
        name: "arm-6.1",
        architecture: Architecture::Arm,
        package_start: "linux-image-6.1.0-",
        package_end: "-cloud-arm64-unsigned",
        processor: "cortex-a76",
        has_types: true,
        share: Share::Core,
    },
    Kernel {
        name: "arm-6.12",
        architecture: Architecture::Arm,
        package_start: "linux-image-6.12.",
        package_end: "-cloud-arm64-unsigned",
        processor: "cortex-a76",
        has_types: true,
        share: Share::Core,
    },
    Kernel {
        name: "arm-6.12-16k",
        architecture: Architecture::Arm,
        package_start: "linux-image-6.12.",
        package_end: "-arm64-16k-unsigned",
        // The cortex has no pages of 16 KB; `max` has, and is half as fast.
        processor: "neoverse-n1",
        has_types: true,
        share: Share::Core,
    },
];
