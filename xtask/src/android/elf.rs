//! Would this binary run on a phone?

use anyhow::{Context, Result, bail, ensure};
use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, FileHeader64, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use object::endian::LittleEndian;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

use crate::architecture::Architecture;

/// The largest pages that Android has.
const PAGE: u64 = 0x4000;

/// Says what is wrong with a binary. Android has neither glibc nor the program that would load it.
pub fn check(bytes: &[u8], architecture: Architecture) -> Result<()> {
    let header = FileHeader64::<LittleEndian>::parse(bytes).context("not a 64-bit ELF file")?;
    let endian = header.endian().context("not a little-endian ELF file")?;
    let machine = header.e_machine(endian);
    let wanted = match architecture {
        Architecture::Arm => EM_AARCH64,
        Architecture::X86 => EM_X86_64,
    };
    ensure!(
        machine == wanted,
        "built for machine {machine:?}, not for {wanted:?} ({})",
        architecture.android()
    );
    let segments = header
        .program_headers(endian, bytes)
        .context("read the segments")?;
    let mut loads = 0;
    for segment in segments {
        match segment.p_type(endian) {
            PT_LOAD => {
                loads += 1;
                let align = segment.p_align(endian);
                ensure!(
                    align >= PAGE,
                    "a segment is aligned to {align:#x}, pages may have {PAGE:#x}"
                );
            }
            PT_INTERP => bail!("it wants an interpreter, so it is not static"),
            PT_DYNAMIC => {
                let entries = segment.dynamic(endian, bytes).context("read PT_DYNAMIC")?;
                let needed = entries
                    .unwrap_or_default()
                    .iter()
                    .any(|entry| entry.d_tag(endian) == DT_NEEDED);
                ensure!(!needed, "it needs libraries, so it is not static");
            }
            _ => {}
        }
    }
    ensure!(loads > 0, "nothing in it is loaded");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::elf::{ELFMAG, ELFOSABI_NONE};

    const HEADER: usize = 64;
    const SEGMENT: usize = 56;

    /// A file with segments of these kinds, and their alignment, and nothing in them but what PT_DYNAMIC names.
    fn file(machine: u16, segments: &[(u32, u64)], dynamic: &[(u64, u64)]) -> Vec<u8> {
        let content = HEADER + segments.len() * SEGMENT;
        let mut bytes = ELFMAG.to_vec();
        // 64 bits, little-endian, version 1.
        bytes.extend([2, 1, 1, ELFOSABI_NONE]);
        bytes.resize(16, 0);
        // An executable.
        bytes.extend(2_u16.to_le_bytes());
        bytes.extend(machine.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend((HEADER as u64).to_le_bytes());
        bytes.resize(52, 0);
        for number in [HEADER, SEGMENT, segments.len(), 0, 0, 0] {
            bytes.extend((number as u16).to_le_bytes());
        }
        for (kind, align) in segments {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(0_u32.to_le_bytes());
            let size = (dynamic.len() * 16) as u64;
            for number in [content as u64, 0, 0, size, size, *align] {
                bytes.extend(number.to_le_bytes());
            }
        }
        for (name, value) in dynamic {
            bytes.extend(name.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    const LOAD: u32 = 1;
    const DYNAMIC: u32 = 2;
    const INTERPRETER: u32 = 3;
    const ARM: u16 = 183;
    const X86: u16 = 62;

    fn check(bytes: &[u8], expected: Result<(), &str>) {
        let found = super::check(bytes, Architecture::Arm).map_err(|error| error.to_string());
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{part:?} in {error}"),
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_static_binary_with_wide_pages_would_run() {
        check(&file(ARM, &[(LOAD, 0x4000)], &[]), Ok(()));
        check(&file(ARM, &[(LOAD, 0x10000), (LOAD, 0x4000)], &[]), Ok(()));
        // One that is static and may lie anywhere relocates itself: DT_FLAGS_1, and the end.
        let relocates = [(0x6fff_fffb, 0x0800_0000), (0, 0)];
        check(
            &file(ARM, &[(LOAD, 0x4000), (DYNAMIC, 8)], &relocates),
            Ok(()),
        );
    }

    #[test]
    fn what_would_not_run_is_refused_and_said_why() {
        check(b"#!/bin/sh\n", Err("not a 64-bit ELF file"));
        check(&[], Err("not a 64-bit ELF file"));
        check(&file(X86, &[(LOAD, 0x4000)], &[]), Err("built for machine"));
        check(
            &file(ARM, &[(LOAD, 0x4000), (LOAD, 0x1000)], &[]),
            Err("a segment is aligned to 0x1000, pages may have 0x4000"),
        );
        check(
            &file(ARM, &[(LOAD, 0x4000), (INTERPRETER, 1)], &[]),
            Err("wants an interpreter"),
        );
        check(
            &file(ARM, &[(LOAD, 0x4000), (DYNAMIC, 8)], &[(1, 7), (0, 0)]),
            Err("it needs libraries"),
        );
        check(&file(ARM, &[], &[]), Err("nothing in it is loaded"));
    }

    #[test]
    fn a_file_that_is_cut_off_or_changed_does_no_harm() {
        let whole = file(ARM, &[(LOAD, 0x4000), (DYNAMIC, 8)], &[(1, 7), (0, 0)]);
        for end in 0..whole.len() {
            let _ = super::check(&whole[..end], Architecture::Arm);
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0xff;
            let _ = super::check(&changed, Architecture::Arm);
        }
    }

    #[test]
    fn a_program_of_this_machine_needs_its_libraries() {
        // Debian's; where somebody has built it statically there is nothing to see.
        let Ok(bytes) = std::fs::read("/bin/true") else {
            return;
        };
        let here = match std::env::consts::ARCH {
            "x86_64" => Architecture::X86,
            "aarch64" => Architecture::Arm,
            _ => return,
        };
        let names_a_loader = bytes.windows(8).any(|part| part == b"/ld-linu");
        assert_eq!(super::check(&bytes, here).is_err(), names_a_loader);
    }
}
