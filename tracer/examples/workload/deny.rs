//! A cgroup of one's own whose program refuses every connect.

use std::ffi::CStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::bpf;
use crate::kernel::{allow_locked_memory, checked};

// include/uapi/linux/bpf.h
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
            let program = bpf::load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, kind, &REFUSE);
            let program = program.context("load\nhint: needs CAP_BPF")?;
            bpf::attach(&group, &program, kind, BPF_F_ALLOW_MULTI)
                .context("attach to the cgroup")?;
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
