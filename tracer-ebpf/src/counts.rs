//! The exact counters: found or made, and added to atomically.

use tracer_common::{
    Address, Counts, DestinationKey,
    map::{DIRECTION_IN, HANDLE_UNATTRIBUTED, counter},
};

use crate::maps::{COUNTERS, DESTINATIONS, INCOMING, OVERFLOW};

/// `BPF_NOEXIST`: insert, or fail where the key is there.
pub const NOT_THERE: u64 = 1;

const ZERO: Counts = Counts {
    connections: 0,
    established: 0,
    sent: 0,
    received: 0,
    ended: 0,
    failed: [0; tracer_common::outcome::REASONS],
};

/// Adds to a counter that other processors add to as well.
#[inline(always)]
pub fn add(to: *mut u64, count: u64) {
    atomic::add(to, count);
}

/// As [`add`], for a counter of 32 bits, which wraps.
#[inline(always)]
pub fn add_one(to: *mut u32) {
    atomic::add(to, 1);
}

/// The reverse of [`add_one`].
#[inline(always)]
pub fn subtract_one(from: *mut u32) {
    atomic::add(from, u32::MAX);
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

#[inline(always)]
fn overflow(key: &mut DestinationKey) {
    key.address = Address::ANY;
    key.port = 0;
    key.overflow = 1;
}

/// Where `key` is counted, if it is there.
#[inline(always)]
pub fn find(key: &DestinationKey) -> Option<*mut Counts> {
    if key.overflow != 0 {
        OVERFLOW.get_ptr_mut(key)
    } else if key.direction == DIRECTION_IN {
        INCOMING.get_ptr_mut(key)
    } else {
        DESTINATIONS.get_ptr_mut(key)
    }
}

/// Where a new contact of `key` is counted; made where it is missing. Where the map has no room, `key` becomes the key of its program's
/// overflow entry, so that the program's total stays exact.
#[inline(always)]
pub fn find_or_make(key: &mut DestinationKey) -> Option<*mut Counts> {
    // Here, once for each contact: whose a listener or a call is, is asked for without one.
    if key.process == HANDLE_UNATTRIBUTED {
        tally(counter::PROCESSES_FULL);
    }
    if let Some(counts) = find(key) {
        return Some(counts);
    }
    if key.overflow == 0 {
        // Another thread of the program may have made it in between: its entry serves as well.
        let _ = if key.direction == DIRECTION_IN {
            INCOMING.insert(&*key, &ZERO, NOT_THERE)
        } else {
            DESTINATIONS.insert(&*key, &ZERO, NOT_THERE)
        };
        if let Some(counts) = find(key) {
            return Some(counts);
        }
        tally(counter::DESTINATIONS_FULL);
        overflow(key);
        if let Some(counts) = OVERFLOW.get_ptr_mut(&*key) {
            return Some(counts);
        }
    }
    let _ = OVERFLOW.insert(&*key, &ZERO, NOT_THERE);
    let counts = OVERFLOW.get_ptr_mut(&*key);
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
