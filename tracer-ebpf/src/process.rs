//! Which program is running: its identity, and what is written down of it at its first contact.
//!
//! Only for code that runs in the context of the program itself. In softirq the current task is a stranger.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_cgroup_id, bpf_get_current_task, bpf_get_smp_processor_id,
            bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str, bpf_probe_read_user_str,
        },
    },
    programs::RawTracePointContext,
};
use aya_log_ebpf::debug;
use tracer_common::{
    ProcessFacts, ProcessKey,
    map::{
        CGROUP_BYTES, CGROUP_COMPONENT_BYTES, CGROUP_LEVELS, COMMAND_BYTES, EXECUTABLE_BYTES,
        FLAG_CGROUP_CUT, FLAG_KERNEL_THREAD, HANDLE_UNATTRIBUTED, counter,
    },
};

use crate::{
    counts::{NOT_THERE, tally},
    maps::{PROCESSES, SCRATCH},
    memory::read,
    offsets::{
        CGROUP_NODE, CGROUP_SUBSYSTEM, CGROUPS_SUBSYSTEMS, CGROUPS_UNIFIED, ENTRY_NAME, FILE_ENTRY,
        MEMORY_ARGUMENTS, MEMORY_EXECUTABLE, NODE_ID, NODE_NAME, NODE_PARENT, SUBSYSTEM_CGROUP,
        TASK_CGROUPS, TASK_IMAGE, TASK_LEADER, TASK_MEMORY, TASK_STARTED,
    },
};

/// The handle of the running program, registered where it is new; `HANDLE_UNATTRIBUTED` where there is no room.
#[inline(always)]
pub fn current(context: &RawTracePointContext) -> u64 {
    // SAFETY: these helpers only read the current task; a tracepoint always has one.
    let (task, cgroup) = unsafe { (bpf_get_current_task(), bpf_get_current_cgroup_id()) };
    let leader: u64 = read(task, &TASK_LEADER);
    let key = ProcessKey {
        started_ns: read(leader, &TASK_STARTED),
        process: (bpf_get_current_pid_tgid() >> 32) as u32,
        user: bpf_get_current_uid_gid() as u32,
        image: read(task, &TASK_IMAGE),
        cgroup: cgroup as u32 ^ naming_id(task),
    };
    if let Some(facts) = PROCESSES.get_ptr(&key) {
        // SAFETY: the entry is removed only after its process is gone, and this process is running.
        return unsafe { (*facts).handle };
    }
    register(context, &key, task)
}

/// What tells a control group of the first version from every other; 0 where only the unified hierarchy is there.
#[inline(always)]
fn naming_id(task: u64) -> u32 {
    if CGROUP_SUBSYSTEM.load() < 0 {
        return 0;
    }
    // Spread, so that two small numbers do not cancel each other out. 2^32 divided by the golden ratio.
    (read::<u64>(naming_node(task), &NODE_ID) as u32).wrapping_mul(0x9e37_79b1)
}

#[inline(never)]
fn register(context: &RawTracePointContext, key: &ProcessKey, task: u64) -> u64 {
    let Some(facts) = SCRATCH.get_ptr_mut(0) else {
        return HANDLE_UNATTRIBUTED;
    };
    // SAFETY: the only entry of this processor's scratch memory; the program is not preempted while it runs, and the
    // kernel keeps a raw tracepoint's program from running twice at once on a processor.
    let facts = unsafe { &mut *facts };
    // SAFETY: both helpers read a clock or a number.
    // Unique: one processor cannot register two programs in one nanosecond, and there are fewer than 1024 processors.
    facts.handle =
        unsafe { (bpf_ktime_get_boot_ns() << 10) | u64::from(bpf_get_smp_processor_id() & 1023) };
    facts.flags = 0;
    facts.executable[0] = 0;
    facts.command[0] = 0;
    let memory: u64 = read(task, &TASK_MEMORY);
    if memory == 0 {
        facts.flags |= FLAG_KERNEL_THREAD;
    } else {
        describe(facts, memory);
    }
    cgroup_paths(facts, task);
    // Another thread of the program may have registered it in between: its entry serves as well.
    let _ = PROCESSES.insert(key, &*facts, NOT_THERE);
    let Some(kept) = PROCESSES.get_ptr(key) else {
        tally(counter::PROCESSES_FULL);
        return HANDLE_UNATTRIBUTED;
    };
    tally(counter::PROCESSES);
    debug!(
        context,
        "registered process {} user {} image {}", key.process, key.user, key.image
    );
    // SAFETY: as in `current`.
    unsafe { (*kept).handle }
}

/// Executable and first argument, from `struct mm_struct`.
#[inline(always)]
fn describe(facts: &mut ProcessFacts, memory: u64) {
    let file: u64 = read(memory, &MEMORY_EXECUTABLE);
    let entry: u64 = read(file, &FILE_ENTRY);
    let name: u64 = read(entry, &ENTRY_NAME);
    let arguments: u64 = read(memory, &MEMORY_ARGUMENTS);
    // SAFETY: both helpers write at most the given number of bytes, end them with NUL and never fault.
    unsafe {
        bpf_probe_read_kernel_str(
            facts.executable.as_mut_ptr().cast::<c_void>(),
            EXECUTABLE_BYTES as u32,
            name as *const c_void,
        );
        bpf_probe_read_user_str(
            facts.command.as_mut_ptr().cast::<c_void>(),
            COMMAND_BYTES as u32,
            arguments as *const c_void,
        );
    }
}

/// The task's control group in the hierarchy of the first version that names; 0 where only the unified one is there.
#[inline(always)]
fn naming_node(task: u64) -> u64 {
    let subsystem = CGROUP_SUBSYSTEM.load();
    if subsystem < 0 {
        return 0;
    }
    let set: u64 = read(task, &TASK_CGROUPS);
    let state: u64 = read(set.wrapping_add(8 * subsystem as u64), &CGROUPS_SUBSYSTEMS);
    let cgroup: u64 = read(state, &SUBSYSTEM_CGROUP);
    read(cgroup, &CGROUP_NODE)
}

/// The names from the task's control group up to the root, in each hierarchy that names.
#[inline(always)]
fn cgroup_paths(facts: &mut ProcessFacts, task: u64) {
    let mut used = 0;
    let node = naming_node(task);
    if node != 0 {
        used = cgroup_path(facts, node, used);
        if used < CGROUP_BYTES {
            facts.cgroup[used] = 0;
            used += 1;
        }
    }
    let set: u64 = read(task, &TASK_CGROUPS);
    let unified: u64 = read(set, &CGROUPS_UNIFIED);
    facts.cgroup_length = cgroup_path(facts, read(unified, &CGROUP_NODE), used) as u32;
}

/// Writes the names from `node` up to the root behind the first `used` bytes. Returns the bytes used then.
#[inline(always)]
fn cgroup_path(facts: &mut ProcessFacts, mut node: u64, mut used: usize) -> usize {
    for _ in 0..CGROUP_LEVELS {
        let parent: u64 = read(node, &NODE_PARENT);
        // The root has no name worth keeping.
        if parent == 0 {
            return used;
        }
        // The bound the verifier needs: whatever is written next ends within the array.
        if used > CGROUP_BYTES - CGROUP_COMPONENT_BYTES {
            break;
        }
        let name: u64 = read(node, &NODE_NAME);
        // SAFETY: `used` is at most the array's length less a component's, by the check above.
        let written = unsafe {
            bpf_probe_read_kernel_str(
                facts.cgroup.as_mut_ptr().add(used).cast::<c_void>(),
                CGROUP_COMPONENT_BYTES as u32,
                name as *const c_void,
            )
        };
        if written <= 0 {
            break;
        }
        used += (written as usize) & (CGROUP_COMPONENT_BYTES * 2 - 1);
        node = parent;
    }
    let parent: u64 = read(node, &NODE_PARENT);
    if parent != 0 {
        facts.flags |= FLAG_CGROUP_CUT;
    }
    used
}
