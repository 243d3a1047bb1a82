//! Reads from kernel memory.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{Global, helpers::generated::bpf_probe_read_kernel};

/// The value of type `T` at `address`; zeroes where nothing is mapped there. `T` as in [`read`].
#[inline(always)]
pub fn read_at<T: Copy>(address: u64) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes exactly `size_of::<T>()` bytes, zeroes where the read fails (since 4.17), and never
    // faults; every caller's `T` is an integer or an array of integers, so any bits are a value.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast::<c_void>(),
            size_of::<T>() as u32,
            address as *const c_void,
        );
        value.assume_init()
    }
}

/// The value of type `T` at `base` plus the offset in `field`; zeroes where nothing is mapped there.
///
/// `T` must be an integer or an array of bytes: any bits are a value of it.
#[inline(always)]
pub fn read<T: Copy>(base: u64, field: &Global<u32>) -> T {
    read_at(base.wrapping_add(u64::from(field.load())))
}

/// The value of type `T` at `base` plus the offset in `field`, by a load instead of a call.
///
/// # Safety
///
/// The verifier must know by its type what `base` points to: then it checks the load, and zeroes are loaded where nothing is
/// mapped.
#[inline(always)]
pub unsafe fn load<T: Copy>(base: *const c_void, field: &Global<u32>) -> T {
    // SAFETY: as said.
    unsafe { base.byte_add(field.load() as usize).cast::<T>().read() }
}

/// Fills memory of the stack with zeros, a number at a time. The compiler's own way is a loop over the bytes, which the verifier follows one
/// by one.
#[inline(always)]
pub fn zero<const COUNT: usize>(numbers: &mut MaybeUninit<[u64; COUNT]>) -> &mut [u64; COUNT] {
    let place = numbers.as_mut_ptr().cast::<u64>();
    for at in 0..COUNT {
        // SAFETY: within the array; volatile, as the compiler would make that loop of it.
        unsafe { place.add(at).write_volatile(0) };
    }
    // SAFETY: all of it was written.
    unsafe { numbers.assume_init_mut() }
}

/// Has the verifier forget what it knows of a value on the stack: it follows what comes behind once, and not anew for each way that led
/// there. `T` is integers, of which any bits are a value.
#[inline(always)]
pub fn forget<T: Copy>(value: &mut T) {
    let place = (&raw mut *value).cast::<c_void>();
    // SAFETY: the helper copies the value onto itself.
    unsafe { bpf_probe_read_kernel(place, size_of::<T>() as u32, place) };
}

/// Where a structure lies that the verifier knows by its type, as a plain number: it refuses additions to such a pointer.
#[inline(always)]
pub fn address_of<T>(pointer: *const T) -> u64 {
    let mut address = MaybeUninit::<u64>::uninit();
    // SAFETY: the helper copies the eight bytes of the pointer, from this function's stack to this function's stack.
    unsafe {
        bpf_probe_read_kernel(
            address.as_mut_ptr().cast::<c_void>(),
            size_of::<u64>() as u32,
            (&raw const pointer).cast::<c_void>(),
        );
        address.assume_init()
    }
}

/// Programs on arm64 may keep a tag in the upper byte of a pointer, which the kernel ignores and the helper does not.
#[inline(always)]
pub fn untagged(pointer: u64) -> u64 {
    pointer & 0x00ff_ffff_ffff_ffff
}
