//! The kernel side: observe, count, let out; decide nothing.
//!
//! It is built for the BPF target; on the host the hooks are compiled (and linted) too, and `main` says so.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    allow(internal_features, reason = "atomic additions")
)]
#![expect(
    clippy::inline_always,
    reason = "a call between BPF functions costs more than these bodies, and the verifier follows less"
)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value, keys and values would be copied onto a stack of 512 bytes"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the attribute of a program asks for its context by value"
)]

mod address;
mod clock;
mod counts;
mod emit;
mod hooks;
mod maps;
mod memory;
mod offsets;
mod process;
mod registers;
mod socket;

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("this is the kernel side; `tracer` carries it");
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // The verifier refuses a program from which this can be reached, so it never runs.
    loop {}
}

/// The kernel admits the helpers used here only to programs under a licence compatible with the GPL.
#[cfg_attr(target_arch = "bpf", unsafe(link_section = "license"))]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
