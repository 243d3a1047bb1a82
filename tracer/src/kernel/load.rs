//! From the object to running hooks: load and attach.

use std::{
    collections::{BTreeSet, HashMap},
    fs, io,
    path::Path,
};

use anyhow::{anyhow, bail};
use aya::{Ebpf, EbpfLoader};

use crate::kernel::{
    attach::{attach, has_kprobes},
    charges,
    globals::{Globals, Origin},
    helper,
    hooks::{HOOKS, Hook, Need, Place, Way},
    maps::Maps,
    namespaces::Where,
    preallocated, release,
    returns::{self, Return},
    signal::Signal,
    verify,
    waiting::{self, Holders},
};

/// What a user may choose.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for itself, as a flag of the command line does"
)]
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which kind of hooks watch datagrams; where none is asked for, the first that serves.
    pub way: Option<Way>,
    /// Whether Android's rules say whose a contact is: what happens on a socket is its user's.
    pub by_sockets_user: bool,
    /// Whether this is an Android device, where the control groups' hooks are `netd`'s.
    pub is_phone: bool,
    /// Whether the kernel side writes debug messages.
    pub debug: bool,
    /// Whether names are looked for.
    pub names: bool,
    /// Other sizes for maps: name (`DESTINATIONS`) and entries, or bytes for the ring buffer.
    pub capacities: Vec<(String, u32)>,
}

/// Bytes of the ring buffer on a phone: half of what another machine has, for a phone has nowhere near the 180,000
/// connections a second that that is for. It is mapped twice in a row, so each byte counts twice in what is resident.
const PHONE_RING_BYTES: u32 = 1 << 20;

/// Bytes of the ring buffer of names, at the least: a page of any machine.
const LEAST_NAMES_BYTES: u32 = 1 << 16;
/// Its bytes where it is not what the object says.
const PHONE_NAMES_BYTES: u32 = 1 << 18;

impl Options {
    /// How large the ring buffer is to be, where it is not what the object says.
    fn ring_bytes(&self) -> Option<u32> {
        let chosen = self.capacities.iter().find(|(name, _)| name == "RECORDS");
        chosen
            .map(|&(_, bytes)| bytes)
            .or(self.is_phone.then_some(PHONE_RING_BYTES))
    }

    /// How large that of names is to be.
    fn names_bytes(&self) -> Option<u32> {
        let chosen = self.capacities.iter().find(|(name, _)| name == "NAMES");
        let usual = match (self.names, self.is_phone) {
            (false, _) => Some(LEAST_NAMES_BYTES),
            (true, true) => Some(PHONE_NAMES_BYTES),
            (true, false) => None,
        };
        chosen.map(|&(_, bytes)| bytes).or(usual)
    }

    /// Fails for a hook that is not to be touched on this machine. What is free now `netd` may come for at its next start:
    /// where it finds somebody, it ends, and Android starts again without end.
    fn may(&self, hook: &Hook) -> anyhow::Result<()> {
        if !self.names && matches!(hook.gives, Signal::Names | Signal::Lookups | Signal::Proxy) {
            bail!("names are not wanted (--names off)");
        }
        if self.is_phone && hook.attach.way() == Some(Way::Cgroup) {
            bail!("Android's netd has it, or comes for it");
        }
        Ok(())
    }
}

/// What became of one hook.
#[derive(Debug)]
pub struct Verdict {
    pub hook: &'static Hook,
    /// Why it does not serve.
    pub failure: Option<String>,
}

/// The kernel side, attached. Dropping its programs detaches them.
pub struct Loaded {
    pub ebpf: Ebpf,
    pub maps: Maps,
    /// What became of each hook.
    pub verdicts: Vec<Verdict>,
    /// Who held the sockets that were there before.
    pub holders: Holders,
    /// Programs at the return of functions, which `ebpf` does not detach.
    pub returns: Vec<Return>,
}

/// Loads the kernel side with the kind of hooks that is asked for, else with the first kind that serves.
pub fn load(options: &Options) -> anyhow::Result<(Loaded, Origin)> {
    let release = release::running();
    release::require(release.trim())?;
    let globals = Globals::of_this_kernel()?;
    let loaded = load_with(options, &globals)?;
    Ok((loaded, globals.origin))
}

fn load_with(options: &Options, globals: &Globals) -> anyhow::Result<Loaded> {
    if let Some(way) = options.way {
        return load_one(options, globals, way);
    }
    // To find that out by loading all of it takes longer than everything else at the start.
    if !options.is_phone && !has_kprobes() {
        let only = load_one(options, globals, Way::Cgroup)?;
        return Ok(without_kprobes(
            only,
            "this kernel was built without kprobes",
        ));
    }
    if !options.is_phone && release::preempts_programs(&release::running()) {
        let first = load_one(options, globals, Way::Cgroup)?;
        if serve(&first.verdicts) {
            return Ok(without_kprobes(first, PREEMPTED));
        }
    }
    let first = load_one(options, globals, Way::Tracing)?;
    // On a phone there is no other kind: a part of this one is better than nothing.
    if serve(&first.verdicts) || options.is_phone {
        return Ok(first);
    }
    let Loaded { verdicts, .. } = first;
    let mut second = load_one(options, globals, Way::Cgroup)?;
    // Why the first kind does not serve is worth saying.
    second.verdicts.extend(
        verdicts
            .into_iter()
            .filter(|verdict| is_missed_at_the_cgroup(verdict.hook))
            .map(|verdict| Verdict {
                failure: verdict
                    .failure
                    .or_else(|| Some("not used: others of its kind do not serve".to_owned())),
                ..verdict
            }),
    );
    Ok(second)
}

/// Whether all of one kind serve, but for those without which only their own signal is missing.
fn serve(verdicts: &[Verdict]) -> bool {
    verdicts.iter().all(|verdict| {
        verdict.hook.attach.way().is_none()
            || verdict.hook.need == Need::Signal
            || verdict.failure.is_none()
    })
}

/// Why kprobes are not used where they are.
const PREEMPTED: &str =
    "not used: from Linux 7 on a kprobe is skipped where a task is preempted that reads a map";

/// Whether it is one of kprobes without which something may go unseen at the control group. There packets say names, nobody waits for a
/// return, and only phones have what a proxy is told.
fn is_missed_at_the_cgroup(hook: &Hook) -> bool {
    hook.attach.way() == Some(Way::Tracing)
        && !matches!(
            hook.gives,
            Signal::Names | Signal::Proxy | Signal::DatagramReturns
        )
}

/// Says of each kprobe why it does not serve.
fn without_kprobes(mut loaded: Loaded, why: &str) -> Loaded {
    let others = HOOKS.iter().filter(|hook| is_missed_at_the_cgroup(hook));
    loaded.verdicts.extend(others.map(|hook| Verdict {
        hook,
        failure: Some(why.to_owned()),
    }));
    loaded
}

/// Loads the kernel side and attaches every hook of one kind. Hooks that cannot be attached are said in the verdicts; the caller
/// decides whether it can go on without.
fn load_one(options: &Options, globals: &Globals, way: Way) -> anyhow::Result<Loaded> {
    let mut loader = EbpfLoader::new();
    // The object carries no CO-RE relocation, so aya need not read the kernel's BTF a second time.
    loader.btf(None);
    for (name, value) in &globals.values {
        loader.override_global(name, value, true);
    }
    let is_preempted = release::preempts_programs(&release::running());
    let preempted = u32::from(is_preempted);
    loader.override_global("IS_PREEMPTED", &preempted, true);
    let by_address = u32::from(way == Way::Tracing);
    loader.override_global("BY_ADDRESS", &by_address, true);
    let tells_answers = u32::from(way == Way::Cgroup && helper::tells_answers_of_others());
    loader.override_global("TELLS_ANSWERS", &tells_answers, true);
    let by_user = u32::from(options.by_sockets_user);
    loader.override_global("BY_SOCKETS_USER", &by_user, true);
    if options.by_sockets_user
        && let Some(path) = charges::find(Path::new(charges::FOLDER))
    {
        // It is there, so it is taken and nothing is pinned.
        loader.map_pin_path("CHARGES", path);
    }
    let level: u8 = if options.debug {
        aya_log::Level::Debug as u8
    } else {
        0
    };
    loader.override_global(aya_log::LEVEL, &level, true);
    if !options.debug {
        // Nothing is written to it then; the kernel wants a page all the same.
        loader.map_max_entries("AYA_LOGS", page_size());
    }
    let ring = options.ring_bytes();
    // An eighth of it, as a power of two, and more than the window in which a record wakes.
    let wake = ring.map(|bytes| u64::from((bytes / 8).next_power_of_two().max(1024)));
    if let (Some(bytes), Some(wake)) = (ring, &wake) {
        loader.map_max_entries("RECORDS", bytes);
        loader.override_global("RING_WAKE_BYTES", wake, true);
    }
    let names = options.names_bytes();
    let names_wake = names.map(|bytes| u64::from((bytes / 4).next_power_of_two().max(8192)));
    if let (Some(bytes), Some(wake)) = (names, &names_wake) {
        loader.map_max_entries("NAMES", bytes);
        loader.override_global("NAMES_WAKE_BYTES", wake, true);
    }
    let are_wanted = u32::from(options.names);
    loader.override_global("NAMES_WANTED", &are_wanted, true);
    let may_allocate = preallocated::hashes_may_allocate();
    let chosen = options.capacities.iter();
    let chosen = chosen.map(|(name, entries)| (name.as_str(), *entries));
    let there = preallocated::entries(may_allocate, options.is_phone);
    // What is said last holds, so what a user chose.
    for (name, entries) in there.iter().copied().chain(chosen) {
        loader.map_max_entries(name, entries);
        for (name, entries) in preallocated::dependent(name, entries) {
            loader.map_max_entries(name, entries);
        }
    }
    for name in preallocated::of_the_other(way) {
        loader.map_max_entries(name, 1);
    }
    let object = preallocated::object(may_allocate)?;
    let mut ebpf = loader.load(&object).map_err(|error| explain_load(&error))?;
    let hooks = || {
        HOOKS
            .iter()
            .filter(|hook| hook.attach.way().is_none_or(|needed| needed == way))
            .filter(|hook| match hook.place {
                Place::WherePreempted => is_preempted,
                Place::OnPhones => options.is_phone,
                Place::With(needed) => needed == way,
                Place::Everywhere | Place::Without(_) => true,
            })
    };
    let mut failures: HashMap<_, _> = hooks()
        .filter_map(|hook| {
            let known = globals.know(hook.gives.fields());
            let error = known.and_then(|()| options.may(hook)).err()?;
            Some((hook.program, error))
        })
        .collect();
    let possible: Vec<_> = hooks()
        .filter(|hook| !failures.contains_key(hook.program))
        .collect();
    failures.extend(verify::load(&mut ebpf, &possible, globals));
    let mut maps = Maps::take(&mut ebpf)?;
    let mut holders = Holders::default();
    // Right before the first is attached. A namespace that cannot be asked is counted when it is asked again.
    waiting::write_down(&mut maps, &mut holders, None, Where::InUse);
    let mut returns = Vec::new();
    returns::remove_those_of_the_dead();
    let verdicts = attach_all(&mut ebpf, &mut returns, hooks(), failures);
    Ok(Loaded {
        ebpf,
        maps,
        verdicts,
        holders,
        returns,
    })
}

/// Attaches those that have not failed already, in their order. Says what became of each that has a place here.
fn attach_all(
    ebpf: &mut Ebpf,
    returns: &mut Vec<Return>,
    hooks: impl Iterator<Item = &'static Hook>,
    mut failures: HashMap<&'static str, anyhow::Error>,
) -> Vec<Verdict> {
    let mut attached = BTreeSet::new();
    hooks
        .filter_map(|hook| {
            if let Place::Without(other) = hook.place
                && attached.contains(other)
            {
                verify::unload(ebpf, hook.program);
                return None;
            }
            let failure = failures
                .remove(hook.program)
                .or_else(|| attach(ebpf, hook, returns).err());
            if failure.is_none() {
                attached.insert(hook.program);
            } else {
                verify::unload(ebpf, hook.program);
            }
            Some(Verdict {
                hook,
                failure: failure.map(|error| format!("{error:#}")),
            })
        })
        .collect()
}

/// Says what a failed load means to a user.
pub(super) fn explain_load(error: &aya::EbpfError) -> anyhow::Error {
    let number = errno(error);
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let hint = if lockdown.contains("[confidentiality]") {
        "the kernel is locked down (confidentiality), which no user can change on a phone; elsewhere boot it with \
         lockdown=integrity or none"
    } else {
        match number {
            Some(libc::EPERM | libc::EACCES) => {
                "run as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; on a phone \
                 by adb root, su -c, or the module"
            }
            Some(libc::ENOSYS) => "this kernel was built without CONFIG_BPF_SYSCALL",
            Some(libc::ENOMEM | libc::E2BIG) => {
                "not enough kernel memory for the maps; try --map-capacity DESTINATIONS=16384"
            }
            _ => "tracer doctor says what this kernel allows",
        }
    };
    // aya's errors repeat their cause, so one of the two is enough.
    anyhow!("load the kernel side: {error}\nhint: {hint}")
}

/// The error number at the bottom of a chain of errors.
pub fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(number) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return Some(number);
        }
        current = error.source();
    }
    None
}

pub(super) fn page_size() -> u32 {
    // SAFETY: asks the C library for a number.
    u32::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Fails where a hook that the main job needs does not serve.
pub fn require(verdicts: &[Verdict]) -> anyhow::Result<()> {
    for verdict in verdicts {
        if let (Need::Job, Some(failure)) = (verdict.hook.need, &verdict.failure) {
            bail!(
                "{}: {failure}\nhint: tracer doctor says what this kernel allows",
                verdict.hook.gives.label()
            );
        }
    }
    Ok(())
}
