//! A cgroup of one's own whose program refuses every connect.

use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::kernel::{allow_locked_memory, checked, length};

/// Of linux/bpf.h.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_TYPE_CGROUP_SOCK_ADDR: u32 = 18;
const BPF_CGROUP_INET4_CONNECT: u32 = 10;
const BPF_CGROUP_INET6_CONNECT: u32 = 11;
/// `r0 = 0; exit`: zero refuses.
const REFUSE: [u64; 2] = [0xb7, 0x95];
/// Where cgroup version 2 is mounted, alone or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Programs of parents stay in force as well.
const BPF_F_ALLOW_MULTI: u32 = 2;

/// Left and removed when it is dropped.
pub struct Denial {
    /// Where this process was.
    home: PathBuf,
    group: PathBuf,
}

/// The head of `union bpf_attr` for BPF_PROG_LOAD; what follows is zero, and need not be given.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions: u32,
    program: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach: u32,
}

/// The same for BPF_PROG_ATTACH.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

impl Denial {
    pub fn new() -> Result<Self> {
        allow_locked_memory();
        let root = root()?;
        let member = fs::read_to_string("/proc/self/cgroup").context("read the cgroup")?;
        let home = member.lines().find_map(|line| line.strip_prefix("0::/"));
        let home = root.join(home.unwrap_or_default());
        let group = root.join(format!("workload-{}", std::process::id()));
        fs::create_dir(&group).with_context(|| format!("create {}", group.display()))?;
        let denial = Self { home, group };
        let group = File::open(&denial.group).context("open the cgroup")?;
        for kind in [BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT] {
            let program = load(kind)?;
            let attach = Attach {
                target: group.as_raw_fd() as u32,
                program: program.as_raw_fd() as u32,
                kind,
                flags: BPF_F_ALLOW_MULTI,
            };
            call(BPF_PROG_ATTACH, &attach).context("attach to the cgroup")?;
        }
        fs::write(denial.group.join("cgroup.procs"), "0").context("enter the cgroup")?;
        Ok(denial)
    }
}

impl Drop for Denial {
    fn drop(&mut self) {
        // Should it fail, an empty cgroup stays, which harms nobody.
        let _ = fs::write(self.home.join("cgroup.procs"), "0");
        let _ = fs::remove_dir(&self.group);
    }
}

/// Where cgroup version 2 is, or is put: `ip netns exec` hides it under a new /sys.
fn root() -> Result<PathBuf> {
    let mounted = || {
        let mut roots = ROOTS.iter().map(PathBuf::from);
        roots.find(|root| root.join("cgroup.procs").exists() && is_version_2(root))
    };
    if let Some(root) = mounted() {
        return Ok(root);
    }
    // SAFETY: no memory is involved. The mounts of others stay as they are.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNS) }).context("a mount namespace")?;
    mount(c"/", None, libc::MS_REC | libc::MS_PRIVATE).context("make mounts private")?;
    mount(c"/sys/fs/cgroup", Some(c"cgroup2"), 0).context("mount cgroup version 2")?;
    mounted().context("find cgroup version 2")
}

/// Only version 2 has this file in its root.
fn is_version_2(root: &Path) -> bool {
    root.join("cgroup.controllers").exists()
}

fn mount(at: &CStr, kind: Option<&CStr>, flags: libc::c_ulong) -> std::io::Result<()> {
    let (from, none) = (c"none".as_ptr(), std::ptr::null());
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the names are C strings, and no data is given.
    checked(unsafe { libc::mount(from, at.as_ptr(), kind, flags, none) })?;
    Ok(())
}

fn load(kind: u32) -> Result<OwnedFd> {
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
        instructions: REFUSE.len() as u32,
        program: REFUSE.as_ptr() as u64,
        licence: c"GPL".as_ptr() as u64,
        expected_attach: kind,
        ..Load::default()
    };
    let descriptor = call(BPF_PROG_LOAD, &load).context("load\nhint: needs CAP_BPF")?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) })
}

fn call<T>(command: libc::c_long, attributes: &T) -> std::io::Result<u64> {
    let (start, size) = (std::ptr::from_ref(attributes), size_of::<T>());
    // SAFETY: the kernel reads `size` bytes of the attributes, and what they point to outlives the call.
    length(unsafe { libc::syscall(libc::SYS_bpf, command, start, size) } as libc::ssize_t)
}
