//! The clock, and a zero.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper reads a clock.
    unsafe { bpf_ktime_get_ns() }
}

/// Zero, of which the compiler does not know that it is: it would make a call of a row of zeroes, which sets a byte at a
/// time.
#[inline(always)]
pub fn zero() -> u64 {
    core::hint::black_box(0)
}
