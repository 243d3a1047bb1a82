//! What does the kernel say of the programs and maps that a process holds?

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use anyhow::{Context, Result};

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
#[derive(Clone, Copy)]
pub struct Runs {
    pub count: u64,
    pub nanoseconds: u64,
}

/// The programs that `process` attached to a tracepoint, told by their links, in the order in which they were loaded.
pub fn runs(process: u32, tracepoint: &str) -> Result<Vec<Runs>> {
    let files = open_files(process)?;
    let is_link = |text: &&String| {
        text.contains("link_type:")
            && text
                .lines()
                .any(|line| line == format!("tp_name:\t{tracepoint}"))
    };
    let links = files.iter().filter(is_link);
    let programs: Result<Vec<u64>> = links.map(|link| number_after(link, "prog_id:")).collect();
    let mut programs = programs?;
    programs.sort_unstable();
    let runs = |program: u64| {
        let is_program = |text: &&String| {
            text.contains("run_cnt:")
                && number_after(text, "prog_id:").is_ok_and(|id| id == program)
        };
        let program = files.iter().find(is_program);
        let program = program.with_context(|| format!("a program at {tracepoint}"))?;
        Ok(Runs {
            count: number_after(program, "run_cnt:")?,
            nanoseconds: number_after(program, "run_time_ns:")?,
        })
    };
    programs.into_iter().map(runs).collect()
}

/// A map, and the kernel memory it takes.
pub struct Map {
    pub entries: u64,
    pub bytes: u64,
}

/// The map of destinations: the only one whose key has 32 bytes (`tracer_common::DestinationKey`).
pub fn destinations(process: u32) -> Result<Map> {
    let files = open_files(process)?;
    let is_it = |text: &&String| number_after(text, "key_size:").is_ok_and(|size| size == 32);
    let map = files.iter().find(is_it).context("no map of destinations")?;
    Ok(Map {
        entries: number_after(map, "max_entries:")?,
        bytes: number_after(map, "memlock:")?,
    })
}

/// Kernel memory of all maps.
pub fn all_maps(process: u32) -> Result<u64> {
    let files = open_files(process)?;
    let maps = files.iter().filter(|text| text.contains("map_type:"));
    maps.map(|text| number_after(text, "memlock:")).sum()
}
