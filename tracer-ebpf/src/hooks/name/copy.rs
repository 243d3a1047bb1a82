//! Copies bytes that may say a name into their ring buffer.

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user, bpf_skb_load_bytes},
};
use tracer_common::{
    NameEvent,
    map::counter,
    name::{DATAGRAM_IN, LARGE, LARGEST, LargeEvent, LargestEvent, SMALL, SmallEvent},
};

use crate::{
    counts::tally,
    maps::NAMES,
    memory::forget,
    offsets::{BY_ADDRESS, NAMES_WAKE_BYTES},
};

/// Most events that one packet takes: a hello may be as long as a record.
const EVENTS: usize = 5;

/// Copies bytes of a packet; with kprobes of memory of the running program, which `from` is the address of. 0 where that was possible.
///
/// # Safety
///
/// There must be room for so many bytes.
#[inline(always)]
pub unsafe fn load(from: *mut c_void, at: u32, to: *mut c_void, length: u32) -> i64 {
    // SAFETY: as said. To the verifier the other call is not there.
    unsafe {
        if BY_ADDRESS.load() == 0 {
            bpf_skb_load_bytes(from, at, to, length)
        } else {
            bpf_probe_read_user(to, length, from.wrapping_byte_add(at as usize))
        }
    }
}

/// Copies `length` bytes of a packet, which begin `at` so many into it.
#[inline(never)]
pub fn copy(context: *mut c_void, event: &mut NameEvent, at: u32, length: u32) -> u32 {
    // The ways that led here need not be told apart any more.
    let mut rest = [at, length];
    forget(event);
    forget(&mut rest);
    let [at, length] = rest;
    if length > 0 && length <= SMALL as u32 {
        event.length = length;
        return small(context, event, at);
    }
    if length > 0 && length <= LARGE as u32 {
        event.length = length;
        return large(context, event, at);
    }
    for _ in 0..EVENTS {
        forget(&mut rest);
        let [at, left] = rest;
        if left == 0 {
            break;
        }
        event.length = if left < LARGEST as u32 {
            left
        } else {
            LARGEST as u32
        };
        let _ = largest(context, event, at);
        event.offset += event.length;
        rest = [at + event.length, left - event.length];
    }
    0
}

macro_rules! let_out {
    ($name:ident, $form:ty, $room:expr) => {
        #[inline(never)]
        fn $name(context: *mut c_void, event: &NameEvent, at: u32) -> u32 {
            if event.length == 0 || event.length > $room as u32 {
                return 0;
            }
            // The verifier of before 6.4 forgets what was compared; the compiler would leave this out. SAFETY: a reference.
            let length = unsafe { read_volatile(&raw const event.length) };
            let length = (length.wrapping_sub(1) & ($room as u32 - 1)) + 1;
            let Some(mut entry) = NAMES.reserve::<$form>(0) else {
                tally(counter::NAMES_FULL);
                return 0;
            };
            let place = entry.as_mut_ptr();
            // SAFETY: memory that was just reserved, of which the helper fills at most as much as there is.
            let failed = unsafe {
                (&raw mut (*place).event).write(*event);
                let bytes = (&raw mut (*place).bytes).cast();
                if BY_ADDRESS.load() != 0 && event.kind == DATAGRAM_IN {
                    bpf_probe_read_kernel(bytes, length, context.wrapping_byte_add(at as usize))
                } else {
                    load(context, at, bytes, length)
                }
            };
            if failed != 0 {
                entry.discard(0);
                return 0;
            }
            entry.submit(wake());
            0
        }
    };
}

let_out!(small, SmallEvent, SMALL);
let_out!(large, LargeEvent, LARGE);
let_out!(largest, LargestEvent, LARGEST);

/// Whether the reader is to be woken: as for records, once where the ring buffer fills.
#[inline(always)]
pub fn wake() -> u64 {
    let waiting = NAMES.query(u64::from(BPF_RB_AVAIL_DATA));
    let threshold = NAMES_WAKE_BYTES.load();
    // An event takes up to 4 KB.
    let wakes = waiting >= threshold && waiting & (threshold - 1) < 8192;
    u64::from(if wakes {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    })
}
