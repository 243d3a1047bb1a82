//! Contacts that have ended go into the ring buffer, without waking the reader for each.

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    maps::ring_buf::RingBufEntry,
};
use tracer_common::{Record, map::counter};

use crate::{
    counts::{count, tally},
    maps::RECORDS,
    offsets::RING_WAKE_BYTES,
};

/// Lets `record` out, or counts it where the ring buffer is full. Each contact goes one of the two ways.
#[inline(always)]
pub fn emit(record: &Record) {
    let_out(record, false);
}

/// The same, and the reader wakes: for what it waits for, and what does not come often.
#[inline(always)]
pub fn emit_at_once(record: &Record) {
    let_out(record, true);
}

/// A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
fn let_out(record: &Record, at_once: bool) {
    let_out_here(record, at_once);
}

/// As [`emit`], where the stack has no room for a further call: together the two need less of it.
#[inline(always)]
pub fn emit_here(record: &Record) {
    let_out_here(record, false);
}

#[inline(always)]
fn let_out_here(record: &Record, at_once: bool) {
    let Some(mut entry) = reserve() else {
        tally(counter::RING_FULL);
        count(record);
        return;
    };
    entry.write(*record);
    submit(entry, at_once);
}

/// Room for a record, which then has to be let out or discarded. `None` where the ring buffer is full.
#[inline(always)]
pub fn reserve() -> Option<RingBufEntry<Record>> {
    RECORDS.reserve::<Record>(0)
}

/// Gives the room back.
#[inline(always)]
pub fn discard(entry: RingBufEntry<Record>) {
    entry.discard(u64::from(BPF_RB_NO_WAKEUP));
}

/// Lets out what was written where there is room for it.
#[inline(always)]
pub fn submit(entry: RingBufEntry<Record>, at_once: bool) {
    let waiting = RECORDS.query(u64::from(BPF_RB_AVAIL_DATA));
    let threshold = RING_WAKE_BYTES.load();
    // The few records in the half kilobyte above each multiple of the threshold wake, not each one above it.
    let wake = at_once || (waiting >= threshold && waiting & (threshold - 1) < 512);
    entry.submit(u64::from(if wake {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    }));
}
