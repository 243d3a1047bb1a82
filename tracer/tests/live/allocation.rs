//! Where the entries of the tracer's tables come from. Before Linux 6.1 the kernel warns of a tracing program whose hash allocates
//! while it runs, which taints the kernel, ends it with `panic_on_warn`, and is refused with `PREEMPT_RT`.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
};

use crate::support::{Tracer, programs::descriptors};

/// `BPF_MAP_TYPE_HASH`.
const HASH: &str = "1";
/// `BPF_F_NO_PREALLOC`.
const ALLOCATES: u32 = 1;
/// Bit of `/proc/sys/kernel/tainted`: the kernel has warned since it was booted.
const WARNED: u64 = 1 << 9;
/// What it says then.
const WARNING: &str = "uses run-time allocation";

/// Whether this kernel warns, by its version: the tracer asks the kernel itself, in a way that is not to be taken on trust here.
fn warns() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || -> u32 { numbers.next().and_then(|n| n.parse().ok()).expect("x.y") };
    (next(), next()) < (6, 1)
}

fn has_warned() -> bool {
    let taints = fs::read_to_string("/proc/sys/kernel/tainted").expect("what taints the kernel");
    taints.trim().parse::<u64>().expect("bits") & WARNED != 0
}

/// The kernel's log from now on.
fn log() -> fs::File {
    let mut options = OpenOptions::new();
    let log = options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut log = log.open("/dev/kmsg").expect("the kernel's log");
    log.seek(SeekFrom::End(0)).expect("its end");
    log
}

/// What was logged meanwhile and says `text`. A read gives one line.
fn said(log: &mut fs::File, text: &str) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), vec![0; 8192]);
    loop {
        match log.read(&mut line) {
            Ok(length) => lines.push(String::from_utf8_lossy(&line[..length]).into_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // Some were overwritten before they were read.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
            Err(error) => panic!("read the kernel's log: {error}"),
        }
    }
    lines.retain(|line| line.contains(text));
    lines
}

/// The flags of each hash that a tracer holds, by its number, and the bytes that the kernel says all of them take at most.
fn hashes(process: u32) -> (BTreeMap<u32, u32>, u64) {
    let (mut flags, mut bytes) = (BTreeMap::new(), 0);
    for map in descriptors(process) {
        if map.value("map_type") != Some(HASH) {
            continue;
        }
        let hexadecimal = map.value("map_flags").and_then(|it| it.strip_prefix("0x"));
        let parsed = hexadecimal.and_then(|it| u32::from_str_radix(it, 16).ok());
        let number = map.number("map_id").expect("a map's number");
        // The kernel keeps a descriptor for each use of one.
        if flags
            .insert(number, parsed.expect("a map's flags"))
            .is_none()
        {
            bytes += map.number::<u64>("memlock").expect("what it takes");
        }
    }
    (flags, bytes)
}

/// Hashes that the kernel side has at least; `tracer-ebpf/src/maps.rs` has them.
const LEAST: usize = 13;
/// Hashes of which no tracing program knows, so that they may allocate everywhere: `CALLS`.
const OF_THE_CGROUP: usize = 1;

#[test]
fn no_table_allocates_while_a_program_runs_where_the_kernel_warns_of_it() {
    let (mut log, had_warned) = (log(), has_warned());
    for hooks in crate::programs::all_ways() {
        let tracer = Tracer::start(&["--hooks", hooks]);
        let (flags, bytes) = hashes(tracer.child.id());
        eprintln!("{hooks}: {} hashes, {bytes} bytes", flags.len());
        assert!(flags.len() >= LEAST, "{hooks}: {flags:?}");
        let allocate = flags.values().filter(|flags| **flags & ALLOCATES != 0);
        let allocate = allocate.count();
        if warns() {
            assert_eq!(allocate, OF_THE_CGROUP, "{hooks}: {flags:x?}");
        } else {
            // Elsewhere what is mostly empty takes no memory.
            assert!(allocate > OF_THE_CGROUP, "{hooks}: {flags:x?}");
        }
    }
    assert_eq!(said(&mut log, WARNING), Vec::<String>::new());
    assert!(had_warned || !has_warned(), "the kernel has warned");
}
