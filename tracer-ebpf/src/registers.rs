//! Registers of a program that has run into a probe: where its stack ends, what it does next, and whether it runs with pointers of 32 bits.
//!
//! The kernel knows the latter by the same bits (`user_64bit_mode`, arch/x86/include/asm/ptrace.h; `compat_user_mode`,
//! arch/arm64/include/asm/ptrace.h).

use aya_ebpf::bindings::pt_regs;

/// Bytes that a return takes from the stack: the address that is returned to, if it was kept there.
#[cfg(not(bpf_target_arch = "aarch64"))]
pub const RETURN: u64 = 8;
/// See above.
#[cfg(bpf_target_arch = "aarch64")]
pub const RETURN: u64 = 0;

/// Where the stack ends.
///
/// # Safety
///
/// These must be the registers that a probe's program was handed.
#[inline(always)]
pub unsafe fn stack(registers: *const pt_regs) -> u64 {
    // SAFETY: as said.
    unsafe { on_this_machine::stack(registers) }
}

/// The address of the next instruction: which function a probe is at the entry of.
///
/// # Safety
///
/// As for [`stack`].
#[inline(always)]
pub unsafe fn next(registers: *const pt_regs) -> u64 {
    // SAFETY: as said.
    unsafe { on_this_machine::next(registers) }
}

/// Whether pointers have 32 bits.
///
/// # Safety
///
/// As for [`stack`].
#[inline(always)]
pub unsafe fn is_narrow(registers: *const pt_regs) -> bool {
    // SAFETY: as said.
    unsafe { on_this_machine::is_narrow(registers) }
}

#[cfg(bpf_target_arch = "x86_64")]
mod on_this_machine {
    use aya_ebpf::bindings::pt_regs;

    /// Segment of code of 32 bits: `__USER32_CS` (arch/x86/include/asm/segment.h).
    const NARROW: u64 = 0x23;

    #[inline(always)]
    pub unsafe fn stack(registers: *const pt_regs) -> u64 {
        // SAFETY: as the caller says.
        unsafe { (*registers).rsp }
    }

    #[inline(always)]
    pub unsafe fn next(registers: *const pt_regs) -> u64 {
        // SAFETY: as the caller says.
        unsafe { (*registers).rip }
    }

    #[inline(always)]
    pub unsafe fn is_narrow(registers: *const pt_regs) -> bool {
        // SAFETY: as the caller says.
        unsafe { (*registers).cs == NARROW }
    }
}

#[cfg(bpf_target_arch = "aarch64")]
mod on_this_machine {
    use aya_ebpf::bindings::{pt_regs, user_pt_regs};

    /// `PSR_MODE32_BIT` (arch/arm64/include/uapi/asm/ptrace.h).
    const NARROW: u64 = 0x10;

    #[inline(always)]
    pub unsafe fn stack(registers: *const pt_regs) -> u64 {
        // SAFETY: as the caller says; what programs are handed begins with these.
        unsafe { (*registers.cast::<user_pt_regs>()).sp }
    }

    #[inline(always)]
    pub unsafe fn next(registers: *const pt_regs) -> u64 {
        // SAFETY: as above.
        unsafe { (*registers.cast::<user_pt_regs>()).pc }
    }

    #[inline(always)]
    pub unsafe fn is_narrow(registers: *const pt_regs) -> bool {
        // SAFETY: as above.
        unsafe { (*registers.cast::<user_pt_regs>()).pstate & NARROW != 0 }
    }
}

/// On other processors, and on the host, which only checks that all of it compiles, nothing is read.
#[cfg(not(any(bpf_target_arch = "x86_64", bpf_target_arch = "aarch64")))]
mod on_this_machine {
    use aya_ebpf::bindings::pt_regs;

    #[inline(always)]
    pub unsafe fn stack(_: *const pt_regs) -> u64 {
        0
    }

    #[inline(always)]
    pub unsafe fn next(_: *const pt_regs) -> u64 {
        0
    }

    #[inline(always)]
    pub unsafe fn is_narrow(_: *const pt_regs) -> bool {
        true
    }
}
