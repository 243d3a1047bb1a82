//! How do programs get through the kernel's verifier, which a start waits for most? Several at a time.
//!
//! Since 5.2 the kernel holds no lock there for those who may load what they like (`bpf_check`, kernel/bpf/verifier.c).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Context as _;
use aya::{
    Ebpf,
    programs::{
        BtfTracePoint, CgroupSkb, CgroupSock, CgroupSockAddr, FEntry, FExit, KProbe, Program,
        RawTracePoint, TracePoint, UProbe,
    },
};

use super::{
    globals::Globals,
    hooks::{Attach, Cgroup, Hook},
    typed::Typed,
};

/// More take more memory and save little: the longest program alone takes a quarter of the time of all.
const MOST_AT_A_TIME: usize = 4;

/// Loads the programs of `hooks`, in their order; several at a time. Which ones the kernel refused, and why.
pub fn load(
    ebpf: &mut Ebpf,
    hooks: &[&'static Hook],
    globals: &Globals,
) -> HashMap<&'static str, anyhow::Error> {
    let mut programs: Vec<(usize, &mut Program)> = ebpf
        .programs_mut()
        .filter_map(|(name, program)| {
            let at = hooks.iter().position(|hook| hook.program == name)?;
            Some((at, program))
        })
        .collect();
    programs.sort_by_key(|(at, _)| *at);
    let programs = Mutex::new(programs.into_iter());
    let refused = Mutex::new(HashMap::new());
    let load_the_next = || {
        loop {
            // In a statement of its own, for the lock to be free meanwhile.
            let next = lock(&programs).next();
            let Some((at, program)) = next else { return };
            if let Err(error) = load_one(program, hooks[at], globals) {
                lock(&refused).insert(hooks[at].program, error);
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 1..processors.min(MOST_AT_A_TIME) {
            scope.spawn(load_the_next);
        }
        load_the_next();
    });
    refused.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Gives back the memory of a program that is not attached after all.
pub fn unload(ebpf: &mut Ebpf, name: &str) {
    let unloaded = match ebpf.program_mut(name) {
        Some(Program::RawTracePoint(program)) => program.unload(),
        Some(Program::TracePoint(program)) => program.unload(),
        Some(Program::BtfTracePoint(program)) => program.unload(),
        Some(Program::FEntry(program)) => program.unload(),
        Some(Program::FExit(program)) => program.unload(),
        Some(Program::KProbe(program)) => program.unload(),
        Some(Program::UProbe(program)) => program.unload(),
        Some(Program::CgroupSkb(program)) => program.unload(),
        Some(Program::CgroupSock(program)) => program.unload(),
        Some(Program::CgroupSockAddr(program)) => program.unload(),
        _ => Ok(()),
    };
    // One that was never loaded is not there, which is what is wanted.
    drop(unloaded);
}

/// What is locked here is whole after a panic too, which the scope passes on anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load_one(program: &mut Program, hook: &Hook, globals: &Globals) -> anyhow::Result<()> {
    let loaded = match hook.attach {
        Attach::RawTracepoint(_) | Attach::RawTracepointNested { .. } | Attach::OnDemand => {
            <&mut RawTracePoint>::try_from(program)?.load()
        }
        Attach::PerfTracepoint(..) => <&mut TracePoint>::try_from(program)?.load(),
        Attach::BtfTracepoint(name) => {
            let types = globals.typed(Typed::Tracepoint(name))?;
            <&mut BtfTracePoint>::try_from(program)?.load(name, types)
        }
        Attach::Fentry(_, name) => {
            let types = globals.typed(Typed::Function(name))?;
            <&mut FEntry>::try_from(program)?.load(name, types)
        }
        Attach::Fexit(_, name) => {
            let types = globals.typed(Typed::Function(name))?;
            <&mut FExit>::try_from(program)?.load(name, types)
        }
        Attach::Kprobe(_) | Attach::Kretprobe(..) | Attach::RenamedKprobe(..) => {
            <&mut KProbe>::try_from(program)?.load()
        }
        Attach::Uprobe(_) | Attach::Uretprobe(_) => <&mut UProbe>::try_from(program)?.load(),
        Attach::Cgroup(Cgroup::Ingress | Cgroup::Egress) => {
            <&mut CgroupSkb>::try_from(program)?.load()
        }
        Attach::Cgroup(
            Cgroup::Connect4 | Cgroup::Connect6 | Cgroup::Sendmsg4 | Cgroup::Sendmsg6,
        ) => <&mut CgroupSockAddr>::try_from(program)?.load(),
        Attach::Cgroup(
            Cgroup::SockCreate | Cgroup::PostBind4 | Cgroup::PostBind6 | Cgroup::SockRelease,
        ) => <&mut CgroupSock>::try_from(program)?.load(),
    };
    loaded.context("load")
}
