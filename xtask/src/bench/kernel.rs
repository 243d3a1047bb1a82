//! What does the kernel say of the programs and maps that a process holds?

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result, bail};

use super::process::{number_after, open_files};

/// `enum bpf_cmd`, include/uapi/linux/bpf.h; since 5.8.
const BPF_ENABLE_STATS: libc::c_long = 32;

/// While it lives, the kernel takes the time of every program. Unlike `kernel.bpf_stats_enabled`, it cannot be left behind.
pub struct Statistics(#[expect(dead_code, reason = "held open")] File);

impl Statistics {
    pub fn begin() -> Result<Self> {
        // `attr.enable_stats.type`, BPF_STATS_RUN_TIME.
        let kind: u32 = 0;
        // SAFETY: the kernel reads the four bytes it is told of.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_ENABLE_STATS,
                &raw const kind,
                size_of::<u32>(),
            )
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error()).context("enable the statistics of programs");
        }
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(Self(
            unsafe { OwnedFd::from_raw_fd(descriptor as i32) }.into(),
        ))
    }
}

/// How often a program ran, and for how long in all.
#[derive(Clone, Copy, Default)]
pub struct Runs {
    pub count: u64,
    pub nanoseconds: u64,
}

/// What `process` holds of the program of that name, as the kernel has it: cut to 15 bytes.
pub fn runs(process: u32, program: &str) -> Result<Runs> {
    for text in open_files(process)? {
        let Ok(id) = number_after(&text, "prog_id:") else {
            continue;
        };
        if text.contains("run_cnt:") && name_of(id)? == program {
            return Ok(Runs {
                count: number_after(&text, "run_cnt:")?,
                nanoseconds: number_after(&text, "run_time_ns:")?,
            });
        }
    }
    bail!("the tracer holds no program {program}")
}

/// `BPF_PROG_GET_FD_BY_ID` and `BPF_OBJ_GET_INFO_BY_FD`, since 4.13.
const BY_ID: libc::c_long = 13;
const INFO: libc::c_long = 15;
/// Where `struct bpf_prog_info` has the name, since 4.15.
const NAME: std::ops::Range<usize> = 64..80;

fn name_of(program: u64) -> Result<String> {
    let call = |command: libc::c_long, attributes: &[u64]| {
        let bytes = size_of_val(attributes);
        // SAFETY: the kernel reads and writes so many bytes, and what they point to, which outlives the call.
        let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), bytes) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(answer as i32)
    };
    let descriptor = call(BY_ID, &[program, 0]).context("open a program")?;
    // SAFETY: the descriptor is new, and nobody else's.
    let program = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mut info = [0_u8; NAME.end];
    let descriptor = u64::from(program.as_raw_fd().cast_unsigned());
    let length = (NAME.end as u64) << 32;
    call(INFO, &[descriptor | length, info.as_mut_ptr() as u64]).context("ask for its name")?;
    let name = info[NAME].split(|byte| *byte == 0).next();
    Ok(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
}

/// Kernel memory of all maps.
pub fn all_maps(process: u32) -> Result<u64> {
    let files = open_files(process)?;
    let maps = files.iter().filter(|text| text.contains("map_type:"));
    maps.map(|text| number_after(text, "memlock:")).sum()
}
