//! The exact counters: found or made, and added to atomically.

use tracer_common::{
    Address, Counts, DestinationKey, Record,
    map::{HANDLE_UNATTRIBUTED, counter},
    record::{self, ESTABLISHED, NO_CONTACT},
};

use crate::{
    address::none,
    maps::{COUNTERS, DESTINATIONS, OVERFLOW},
};

/// `BPF_ANY`: insert or replace.
pub const ANY: u64 = 0;
/// `BPF_NOEXIST`: insert, or fail where the key is there.
pub const NOT_THERE: u64 = 1;

/// Not on the stack, which has no room for it.
static ZERO: Counts = Counts {
    connections: 0,
    established: 0,
    sent: 0,
    received: 0,
    failed: [0; tracer_common::outcome::REASONS],
};

/// Adds to a counter that other processors add to as well.
#[inline(always)]
pub fn add(to: *mut u64, count: u64) {
    atomic::add(to, count);
}

/// Counts one of what belongs to no program.
#[inline(always)]
pub fn tally(index: u32) {
    if let Some(counter) = COUNTERS.get_ptr_mut(index) {
        add(counter, 1);
    }
}

/// The key of what `process` and `remote` (address and port) have to do with each other. A program without a name has no
/// destinations of its own.
#[inline(always)]
pub fn key(process: u64, remote: (Address, u16), protocol: u8, direction: u8) -> DestinationKey {
    let mut key = DestinationKey {
        process,
        address: remote.0,
        port: remote.1,
        protocol,
        direction,
        overflow: 0,
    };
    if process == HANDLE_UNATTRIBUTED {
        overflow(&mut key);
    }
    key
}

/// A contact begins that will be counted under `key`.
#[inline(always)]
pub fn open(key: &DestinationKey) {
    if key.process == HANDLE_UNATTRIBUTED {
        tally(counter::PROCESSES_FULL);
    }
}

#[inline(always)]
fn overflow(key: &mut DestinationKey) {
    key.address = none();
    key.port = 0;
    key.overflow = 1;
}

/// Takes back bytes that were counted as received a moment ago.
#[inline(always)]
pub fn take_back_bytes(key: &DestinationKey, received: u64) {
    let own = if key.overflow == 0 {
        DESTINATIONS.get_ptr_mut(key)
    } else {
        None
    };
    let counts = own.or_else(|| {
        let mut key = *key;
        overflow(&mut key);
        OVERFLOW.get_ptr_mut(&key)
    });
    if let Some(counts) = counts {
        // SAFETY: a field of a live map value; no reference is made.
        add(
            unsafe { &raw mut (*counts).received },
            received.wrapping_neg(),
        );
    }
}

/// Counts a contact that has ended.
#[inline(always)]
pub fn count(record: &Record) {
    let Some(counts) = find_or_make(&record.destination) else {
        return;
    };
    // SAFETY: fields of a live map value; no reference is made. The reason is one of the list.
    unsafe {
        if record.flags & NO_CONTACT == 0 {
            add(&raw mut (*counts).connections, 1);
            if record.outcome == ESTABLISHED {
                add(&raw mut (*counts).established, 1);
            } else if let Some(reason) = record::reason(record.outcome) {
                add((&raw mut (*counts).failed).cast::<u64>().add(reason), 1);
            }
        }
    }
    add_bytes(counts, record.sent, record.received);
}

/// Counts what passed over a contact that has a record already, or needs none.
#[inline(always)]
pub fn count_bytes(destination: &DestinationKey, sent: u64, received: u64) {
    if let Some(counts) = find_or_make(destination) {
        add_bytes(counts, sent, received);
    }
}

#[inline(always)]
fn add_bytes(counts: *mut Counts, sent: u64, received: u64) {
    // SAFETY: fields of a live map value; no reference is made.
    unsafe {
        if sent != 0 {
            add(&raw mut (*counts).sent, sent);
        }
        if received != 0 {
            add(&raw mut (*counts).received, received);
        }
    }
}

/// Where `key` is counted; made where it is missing. Where the map has no room, that is its program's overflow entry, so that the
/// program's total stays exact.
#[inline(always)]
fn find_or_make(key: &DestinationKey) -> Option<*mut Counts> {
    if key.overflow == 0 {
        if let Some(counts) = DESTINATIONS.get_ptr_mut(key) {
            return Some(counts);
        }
        // Another processor may have made it in between: its entry serves as well.
        let _ = DESTINATIONS.insert(key, &ZERO, NOT_THERE);
        if let Some(counts) = DESTINATIONS.get_ptr_mut(key) {
            return Some(counts);
        }
        tally(counter::DESTINATIONS_FULL);
    }
    let mut key = *key;
    overflow(&mut key);
    if let Some(counts) = OVERFLOW.get_ptr_mut(&key) {
        return Some(counts);
    }
    let _ = OVERFLOW.insert(&key, &ZERO, NOT_THERE);
    let counts = OVERFLOW.get_ptr_mut(&key);
    if counts.is_none() {
        tally(counter::OVERFLOW_FULL);
    }
    counts
}

/// The BPF target has atomic additions but no compare-and-swap before `-mcpu=v3`, and so no `AtomicU64::fetch_add`.
mod atomic {
    /// `BPF_ATOMIC | BPF_ADD` (`lock xadd`), as every kernel has it: its result is not used, so none is fetched.
    #[cfg(target_arch = "bpf")]
    #[inline(always)]
    pub fn add<T: Copy>(to: *mut T, count: T) {
        use core::intrinsics::{AtomicOrdering, atomic_xadd};
        // SAFETY: `to` points into a map's value, aligned by the value's layout and alive while the program runs.
        unsafe { atomic_xadd::<T, T, { AtomicOrdering::Relaxed }>(to, count) };
    }

    /// On the host the hooks are compiled to be linted, never run.
    #[cfg(not(target_arch = "bpf"))]
    pub fn add<T: Copy>(_: *mut T, _: T) {}
}
