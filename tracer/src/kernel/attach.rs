//! How one program of the table is attached.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, bail};
use aya::{
    Ebpf,
    programs::{
        BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock,
        CgroupSockAddr, FEntry, FExit, KProbe, RawTracePoint, TracePoint,
    },
};

use super::{
    hooks::{Attach, Cgroup, Hook},
    returns::Return,
};

const BPF_PROG_QUERY: libc::c_long = 16;

/// Attaches the program of `hook`, which has been loaded; it stays so as long as `ebpf` and `returns` live.
pub fn attach(ebpf: &mut Ebpf, hook: &Hook, returns: &mut Vec<Return>) -> anyhow::Result<()> {
    let program = ebpf
        .program_mut(hook.program)
        .context("the object lacks it")?;
    match hook.attach {
        Attach::RawTracepoint(name) | Attach::RawTracepointNested { name, .. } => {
            let program: &mut RawTracePoint = program.try_into().context("its type")?;
            program
                .attach(name)
                .with_context(|| format!("attach to {name}"))?;
        }
        Attach::PerfTracepoint(_, category, name) => {
            let program: &mut TracePoint = program.try_into().context("its type")?;
            program.attach(category, name).with_context(|| {
                format!("attach to {name}\nhint: mount -t tracefs none /sys/kernel/tracing")
            })?;
        }
        Attach::BtfTracepoint(name) => {
            let program: &mut BtfTracePoint = program.try_into().context("its type")?;
            program
                .attach()
                .with_context(|| format!("attach to {name}"))?;
        }
        Attach::Fentry(_, name) => {
            let program: &mut FEntry = program.try_into().context("its type")?;
            program
                .attach()
                .with_context(|| format!("attach to the entry of {name}"))?;
        }
        Attach::Fexit(_, name) => {
            let program: &mut FExit = program.try_into().context("its type")?;
            program
                .attach()
                .with_context(|| format!("attach to the return of {name}"))?;
        }
        // Libraries are found later, and all the while.
        Attach::OnDemand | Attach::Uprobe(_) | Attach::Uretprobe(_) => {}
        Attach::Kprobe(functions) | Attach::Kretprobe(_, functions) => {
            let program: &mut KProbe = program.try_into().context("its type")?;
            // Where one is refused, none stays.
            let mut followed = Vec::new();
            for (at, function) in functions.iter().enumerate() {
                if matches!(hook.attach, Attach::Kretprobe(..))
                    && let Ok(attached) = Return::attach(program.fd()?.as_fd(), function)
                {
                    followed.push(attached);
                    continue;
                }
                let attached = program
                    .attach(function, 0)
                    .with_context(|| format!("attach to {function}"));
                // A kernel without IPv6 lacks some of the others, and then there is nothing to see there.
                match attached {
                    Err(error) if at > 0 && is_missing(&error) => {}
                    attached => _ = attached?,
                }
            }
            returns.append(&mut followed);
        }
        Attach::RenamedKprobe(name, before) => {
            let program: &mut KProbe = program.try_into().context("its type")?;
            let attached = program.attach(name, 0).map(drop);
            if attached.is_err() && program.attach(before, 0).is_err() {
                attached.with_context(|| format!("attach to {name}"))?;
            }
        }
        Attach::Cgroup(kind) => {
            let root = root()?;
            yield_to_others(&root, kind)?;
            // `Single` is no flag to the kernel's links, and those stand beside each other.
            let mode = CgroupAttachMode::Single;
            match kind {
                Cgroup::Ingress | Cgroup::Egress => {
                    let program: &mut CgroupSkb = program.try_into().context("its type")?;
                    let way = if kind == Cgroup::Ingress {
                        CgroupSkbAttachType::Ingress
                    } else {
                        CgroupSkbAttachType::Egress
                    };
                    program.attach(root, way, mode).context("attach")?;
                }
                Cgroup::Connect4 | Cgroup::Connect6 | Cgroup::Sendmsg4 | Cgroup::Sendmsg6 => {
                    let program: &mut CgroupSockAddr = program.try_into().context("its type")?;
                    program.attach(root, mode).context("attach")?;
                }
                Cgroup::SockCreate
                | Cgroup::PostBind4
                | Cgroup::PostBind6
                | Cgroup::SockRelease => {
                    let program: &mut CgroupSock = program.try_into().context("its type")?;
                    program.attach(root, mode).context("attach")?;
                }
            }
        }
    }
    Ok(())
}

/// Whether the kernel has kprobes: where it has, perf events can be of that type, and where that cannot be told, it may.
pub fn has_kprobes() -> bool {
    fs::exists("/sys/bus/event_source/devices/kprobe/type").unwrap_or(true)
}

/// Whether the kernel says that it has no such function.
fn is_missing(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.raw_os_error() == Some(libc::ENOENT))
}

/// The root of the unified hierarchy.
fn root() -> anyhow::Result<File> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
    let path = unified(&mounts).context(
        "no unified control group hierarchy is mounted\nhint: mount -t cgroup2 none /sys/fs/cgroup",
    )?;
    File::open(path).with_context(|| format!("open {path}"))
}

/// Where it is mounted.
pub(super) fn unified(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then_some(path)
    })
}

/// Fails where somebody has this hook for himself alone: to stand beside him is impossible, and to replace him is wrong.
fn yield_to_others(root: &File, kind: Cgroup) -> anyhow::Result<()> {
    /// `union bpf_attr`, the part of the query (include/uapi/linux/bpf.h).
    #[repr(C)]
    #[derive(Default)]
    struct Query {
        target: u32,
        attach_type: u32,
        flags: u32,
        attach_flags: u32,
        programs: u64,
        count: u32,
        padding: u32,
        program_attach_flags: u64,
    }
    let mut first = 0_u32;
    let mut query = Query {
        target: root.as_raw_fd() as u32,
        attach_type: kind as u32,
        programs: (&raw mut first) as u64,
        count: 1,
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes the structure, whose size is given, and at most `count` numbers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            &raw mut query,
            size_of::<Query>(),
        )
    };
    let error = io::Error::last_os_error();
    // More programs than there was room for are several already, so none of them is alone.
    if result < 0 && error.raw_os_error() != Some(libc::ENOSPC) {
        return Err(error).context("ask which programs are attached there");
    }
    if query.count > 0 && query.attach_flags == 0 {
        bail!(
            "program {first} of somebody else has this hook for itself alone, and is left in peace"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aya::{programs::ProgramError, sys::SyscallError};

    use super::{io, is_missing, unified};

    fn attached(errno: i32) -> anyhow::Error {
        let error = ProgramError::SyscallError(SyscallError {
            call: "perf_event_open",
            io_error: io::Error::from_raw_os_error(errno),
        });
        anyhow::Error::new(error).context("attach to a_function")
    }

    #[test]
    fn a_function_that_exists_and_cannot_be_probed_is_not_missing() {
        assert!(is_missing(&attached(libc::ENOENT)));
        assert!(!is_missing(&attached(libc::EINVAL)));
    }

    fn check(mounts: &str, expected: Option<&str>) {
        assert_eq!(unified(mounts), expected, "{mounts}");
    }

    #[test]
    fn the_unified_hierarchy_is_found_wherever_it_is_mounted() {
        check(
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            Some("/sys/fs/cgroup/unified"),
        );
        check(
            "none /sys/fs/cgroup cgroup2 rw 0 0\n",
            Some("/sys/fs/cgroup"),
        );
        check("cgroup /a cgroup rw 0 0\n", None);
        check("", None);
    }
}
