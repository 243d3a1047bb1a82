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
