//! Which program is running: its identity, and what is written down of it at its first contact.
//!
//! Only for code that runs in the context of the program itself. In softirq the current task is a stranger.

use core::ffi::c_void;

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
    generated::{
        bpf_get_current_cgroup_id, bpf_get_current_task, bpf_get_smp_processor_id,
        bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str, bpf_probe_read_user_str,
    },
};
use aya_log_ebpf::debug;
use tracer_common::{
    ProcessFacts, ProcessKey,
    map::{
        ANDROID_FIRST_APP, ANDROID_USER, CGROUP_BYTES, CGROUP_COMPONENT_BYTES, CGROUP_DEPTH,
        CGROUP_LEVELS, COMMAND_BYTES, EXECUTABLE_BYTES, FLAG_ACTS, FLAG_CGROUP_CUT,
        FLAG_CGROUP_UNKNOWN, FLAG_DESCRIBED, FLAG_KERNEL_THREAD, HANDLE_UNATTRIBUTED, counter,
    },
};

use crate::{
    counts::{NOT_THERE, tally},
    maps::{CHARGES, FACTS, HANDOVERS, PROCESSES},
    memory::{read, read_at},
    offsets::{
        BY_SOCKETS_USER, CGROUP_NODE, CGROUP_SUBSYSTEM, CGROUPS_SUBSYSTEMS, CGROUPS_UNIFIED,
        CREDENTIALS_USER, ENTRY_NAME, FILE_ENTRY, FILES_TABLE, MEMORY_ARGUMENTS, MEMORY_EXECUTABLE,
        NODE_ID, NODE_NAME, NODE_PARENT, SOCK_COOKIE, SOCK_USER, SUBSYSTEM_CGROUP, TABLE_FILES,
        TABLE_SIZE, TASK_CGROUPS, TASK_CREDENTIALS, TASK_FILES, TASK_IMAGE, TASK_LEADER,
        TASK_MEMORY, TASK_PROCESS, TASK_STARTED, TASK_THREAD, is_known,
    },
};

/// The handle of the running program, registered where it is new; `HANDLE_UNATTRIBUTED` where there is no room. It is about
/// to use the socket at `sock`.
#[inline(never)]
#[unsafe(export_name = "process_current")]
pub extern "C" fn current(sock: u64) -> u64 {
    current_in_place(sock)
}

/// The same, where the stack has no room for a function of its own.
#[inline(always)]
pub fn current_in_place(sock: u64) -> u64 {
    // SAFETY: these helpers only read the current task; there always is one.
    let (task, cgroup) = unsafe { (bpf_get_current_task(), bpf_get_current_cgroup_id()) };
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    let user = user_of(sock, bpf_get_current_uid_gid() as u32);
    identify(task, process, user, cgroup as u32)
}

/// As [`current`], where the kernel has no helper to say who is running: programs that are handed packets.
#[inline(never)]
#[unsafe(export_name = "process_current_by_task")]
pub extern "C" fn current_by_task(sock: u64) -> u64 {
    // SAFETY: as in `current`.
    let task = unsafe { bpf_get_current_task() };
    let set: u64 = read(task, &TASK_CGROUPS);
    let unified: u64 = read(set, &CGROUPS_UNIFIED);
    let node: u64 = read(unified, &CGROUP_NODE);
    let cgroup = read::<u64>(node, &NODE_ID) as u32;
    let user = read(read(task, &TASK_CREDENTIALS), &CREDENTIALS_USER);
    let user = user_of(sock, user);
    identify(task, read(task, &TASK_PROCESS), user, cgroup)
}

/// Number of the running thread, in the initial PID namespace.
#[inline(always)]
pub fn thread() -> u32 {
    // SAFETY: a helper that reads the current task; there always is one. That which says its numbers is not for all programs.
    read(unsafe { bpf_get_current_task() }, &TASK_THREAD)
}

/// Whether the program of that handle runs in another process than the current task's. Of those that user space found the kernel side
/// knows no process.
#[inline(always)]
pub fn is_other(handle: u64) -> bool {
    // SAFETY: a helper that reads the current task; there always is one.
    let process: u32 = read(unsafe { bpf_get_current_task() }, &TASK_PROCESS);
    // SAFETY: a field of a live map value.
    FACTS
        .get_ptr(&handle)
        .is_none_or(|facts| unsafe { (*facts).key.process } != process)
}

/// Descriptors that are read at once, and most that are looked at.
const DESCRIPTORS: usize = 16;
const MOST_DESCRIPTORS: u32 = 256;

/// An answer of [`holds`].
pub const NO: u32 = 0;
const YES: u32 = 1;
const NOT_TOLD: u32 = 2;

/// Whether the running program has a descriptor of that file. Where it has more than are looked at, or the kernel does not tell of its
/// types, nobody knows.
///
/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
#[unsafe(export_name = "process_holds")]
pub extern "C" fn holds(file: u64) -> u32 {
    if !is_known(&TASK_FILES) || file == 0 {
        return NOT_TOLD;
    }
    // SAFETY: a helper that reads the current task; there always is one.
    let task = unsafe { bpf_get_current_task() };
    let table: u64 = read(read(task, &TASK_FILES), &FILES_TABLE);
    let (files, size): (u64, u32) = (read(table, &TABLE_FILES), read(table, &TABLE_SIZE));
    let mut first = 0;
    while first < MOST_DESCRIPTORS && first < size {
        let some: [u64; DESCRIPTORS] = read_at(files.wrapping_add(u64::from(first) * 8));
        for each in some {
            if each == file {
                return YES;
            }
        }
        first += DESCRIPTORS as u32;
    }
    if first < size { NOT_TOLD } else { NO }
}

/// For whom a program acts.
struct User {
    id: u32,
    /// Whether it is another one than its own.
    is_other: bool,
}

/// Whose it is what a process of `own` does on the socket at `sock`.
///
/// On Android `netd` looks names up and a download manager fetches files for others. The first gives the socket to the app
/// (`fchown`), both tell `netd`'s map whom to charge; Android's own accounts go by the same.
#[inline(always)]
fn user_of(sock: u64, own: u32) -> User {
    let id = if BY_SOCKETS_USER.load() == 0 {
        own
    } else {
        payer_of(sock, own)
    };
    User {
        id,
        is_other: id != own,
    }
}

#[inline(always)]
fn payer_of(sock: u64, own: u32) -> u32 {
    let cookie: u64 = read(sock, &SOCK_COOKIE);
    if let Some(charge) = CHARGES.get_ptr(&cookie) {
        // SAFETY: a live map value.
        return unsafe { (*charge).user };
    }
    if is_of_app(own) || !is_known(&SOCK_USER) {
        // An app acts for itself, whoever gave it the socket.
        return own;
    }
    let owner = read(sock, &SOCK_USER);
    // A part of the system acts for itself, unless the socket is an app's. Root acts for whom it says.
    if own == 0 || is_of_app(owner) {
        owner
    } else {
        own
    }
}

#[inline(always)]
fn is_of_app(user: u32) -> bool {
    user % ANDROID_USER >= ANDROID_FIRST_APP
}

#[inline(always)]
fn identify(task: u64, process: u32, user: User, cgroup: u32) -> u64 {
    let handovers = if user.is_other { handovers() } else { 0 };
    let leader: u64 = read(task, &TASK_LEADER);
    let key = ProcessKey {
        started_ns: read(leader, &TASK_STARTED),
        process,
        user: user.id,
        image: read(task, &TASK_IMAGE),
        // Spread as in `naming_id`, by another number.
        cgroup: cgroup ^ naming_id(task) ^ handovers.wrapping_mul(0x85eb_ca6b),
    };
    if let Some(handle) = PROCESSES.get_ptr(&key) {
        // SAFETY: the entry is removed only after its process is gone or a handover is long past, and neither is so here.
        return unsafe { *handle };
    }
    register(&key, task, user.is_other)
}

/// How often users have changed hands.
#[inline(always)]
fn handovers() -> u32 {
    // SAFETY: user space writes it; any value will do.
    HANDOVERS.get_ptr(0).map_or(0, |count| unsafe { *count })
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

/// What the facts of a program begin as: too large for the stack.
static BLANK: ProcessFacts = ProcessFacts {
    key: ProcessKey {
        started_ns: 0,
        process: 0,
        user: 0,
        image: 0,
        cgroup: 0,
    },
    flags: 0,
    cgroup_length: 0,
    executable: [0; EXECUTABLE_BYTES],
    command: [0; COMMAND_BYTES],
    cgroup: [0; CGROUP_BYTES],
};

#[inline(always)]
fn register(key: &ProcessKey, task: u64, acts: bool) -> u64 {
    // SAFETY: both helpers read a clock or a number.
    // Unique: one processor cannot register two programs in one nanosecond, and there are fewer than 1024 processors.
    let handle =
        unsafe { (bpf_ktime_get_boot_ns() << 10) | u64::from(bpf_get_smp_processor_id() & 1023) };
    if PROCESSES.insert(key, &handle, NOT_THERE).is_err() {
        // Another thread of the program may have registered it in between.
        if let Some(kept) = PROCESSES.get_ptr(key) {
            // SAFETY: as in `identify`.
            return unsafe { *kept };
        }
        return HANDLE_UNATTRIBUTED;
    }
    // The entry is filled in where it stands, and by nobody else: the program may be interrupted here by another one on
    // this processor, so there is no memory to prepare it in.
    let _ = FACTS.insert(&handle, &BLANK, NOT_THERE);
    let Some(facts) = FACTS.get_ptr_mut(&handle) else {
        // There is no memory for it now. At its next contact there may be.
        let _ = PROCESSES.remove(key);
        return HANDLE_UNATTRIBUTED;
    };
    // SAFETY: a live map value that nobody else writes; user space reads it once it says that it is complete.
    let facts = unsafe { &mut *facts };
    facts.key = *key;
    if acts {
        facts.flags |= FLAG_ACTS;
    }
    let memory: u64 = read(task, &TASK_MEMORY);
    if memory == 0 {
        facts.flags |= FLAG_KERNEL_THREAD;
    } else {
        describe(facts, memory);
    }
    let _ = cgroup_paths(facts, task);
    facts.flags |= FLAG_DESCRIBED;
    tally(counter::PROCESSES);
    // The log needs no context.
    debug!(
        (),
        "registered process {} user {} image {}", key.process, key.user, key.image
    );
    handle
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

/// The names from the task's cgroup up to the root, in each hierarchy that names.
///
/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
fn cgroup_paths(facts: *mut ProcessFacts, task: u64) -> u32 {
    // SAFETY: the caller's live map value, which nobody else writes.
    let facts = unsafe { &mut *facts };
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
    0
}

/// Writes the names from `node` up to the root behind the first `used` bytes. Returns the bytes used then.
///
/// What is nearest to the root says which container, service or session it is. Whoever may make cgroups below can nest them, and name
/// them as he likes: what finds no room is at that end, and where the root finds none either, nothing is known.
#[inline(always)]
fn cgroup_path(facts: &mut ProcessFacts, mut node: u64, mut used: usize) -> usize {
    // Goes up until the root is so many levels ahead.
    let mut ahead = node;
    for step in 0..CGROUP_DEPTH {
        ahead = parent(ahead);
        if ahead == 0 {
            break;
        }
        if step >= CGROUP_LEVELS {
            node = parent(node);
            facts.flags |= FLAG_CGROUP_CUT;
        }
    }
    for _ in 0..CGROUP_LEVELS {
        // The root has no name worth keeping.
        let parent = parent(node);
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
        used += (written as usize) & ((CGROUP_COMPONENT_BYTES + 1).next_power_of_two() - 1);
        node = parent;
    }
    if parent(node) != 0 {
        facts.flags |= FLAG_CGROUP_UNKNOWN;
    }
    used
}

#[inline(always)]
fn parent(node: u64) -> u64 {
    read(node, &NODE_PARENT)
}
