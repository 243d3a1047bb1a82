//! What do programs that do nothing cost, at the hooks that a datagram passes? No tracer that uses these is cheaper.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};

// include/uapi/linux/bpf.h: `enum bpf_cmd`, `enum bpf_prog_type`, `enum bpf_attach_type`.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BPF_LINK_CREATE: libc::c_long = 28;
pub const CGROUP_SKB: u32 = 8;
const RAW_TRACEPOINT: u32 = 17;
const INGRESS: u32 = 0;
const EGRESS: u32 = 1;

/// `r0 = 1; exit`: the packet passes.
const PASS: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];

/// Words of `union bpf_attr` that are given; the kernel takes the rest for zeroes.
pub const WORDS: usize = 18;

/// Attached as long as it lives: links, which end with their last descriptor, and the programs.
pub struct Floor(#[expect(dead_code, reason = "held open")] Vec<OwnedFd>);

impl Floor {
    /// The control group's egress and ingress, and the tracepoint of packets handed to devices.
    pub fn attach() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
        let root = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind) = (fields.next()?, fields.next()?);
            (kind == "cgroup2").then_some(path)
        });
        let root = root.context(
            "no unified control group hierarchy is mounted\nhint: mount -t cgroup2 none /sys/fs/cgroup",
        )?;
        let root = File::open(root).with_context(|| format!("open {root}"))?;
        let mut held = Vec::new();
        for attachment in [EGRESS, INGRESS] {
            let program = load(CGROUP_SKB, attachment)?;
            let mut attributes = [0; WORDS];
            attributes[..3].copy_from_slice(&[word(&program), word(&root), attachment]);
            held.push(bpf(BPF_LINK_CREATE, &attributes).context("attach to the control group")?);
            held.push(program);
        }
        let program = load(RAW_TRACEPOINT, 0)?;
        let mut attributes = [0; WORDS];
        attributes[..2].copy_from_slice(&words(c"net_dev_queue".as_ptr() as u64));
        attributes[2] = word(&program);
        held.push(bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes).context("attach to net_dev_queue")?);
        held.push(program);
        Ok(Self(held))
    }
}

fn load(kind: u32, attachment: u32) -> Result<OwnedFd> {
    let mut attributes = [0; WORDS];
    attributes[..2].copy_from_slice(&[kind, PASS.len() as u32]);
    attributes[2..4].copy_from_slice(&words(PASS.as_ptr() as u64));
    attributes[4..6].copy_from_slice(&words(c"GPL".as_ptr() as u64));
    attributes[17] = attachment;
    bpf(BPF_PROG_LOAD, &attributes).context("load a program that does nothing")
}

/// As `union bpf_attr` has a pointer.
fn words(pointer: u64) -> [u32; 2] {
    let bytes = pointer.to_ne_bytes();
    let half =
        |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [half(0), half(4)]
}

fn word(descriptor: &impl AsRawFd) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

pub fn bpf(command: libc::c_long, attributes: &[u32; WORDS]) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads as many bytes as it is told of, and what they point to outlives the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
}
