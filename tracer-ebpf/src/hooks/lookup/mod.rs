//! A call that asks the C library for a name: what no socket of the program shows, for a file, a cache or another process may know it.
//!
//! The entry notes where things are, the return reads them: by then the library has read the name, and the pages are in memory.
//!
//! Uprobes by perf, since 4.17. On arm64 the kernel probes no code of 32 bits.

mod answer;
pub mod call;

use aya_ebpf::{
    helpers::generated::bpf_probe_read_user,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use tracer_common::map::counter;

use crate::{
    counts::tally,
    memory::untagged,
    process,
    registers::{RETURN, is_narrow, stack},
};
use call::{Asking, FORM_HOST, FORM_NAME_FIRST, FORM_NARROW, Return};

/// `int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)` as POSIX has it, of glibc
/// and musl.
#[uprobe]
pub fn addresses_asked(context: ProbeContext) -> u32 {
    begin(&context, 0, Some(3))
}

/// The same of bionic, whose `struct addrinfo` is that of BSD.
#[uprobe]
pub fn addresses_asked_bionic(context: ProbeContext) -> u32 {
    begin(&context, FORM_NAME_FIRST, Some(3))
}

/// `android_getaddrinfofornetcontext(name, service, hints, const struct android_net_context *, result)`, since Android 7.
#[uprobe]
pub fn addresses_asked_context(context: ProbeContext) -> u32 {
    begin(&context, FORM_NAME_FIRST, Some(4))
}

/// `android_getaddrinfofornet(name, service, hints, unsigned network, unsigned mark, result)`, since Android 5.
#[uprobe]
pub fn addresses_asked_network(context: ProbeContext) -> u32 {
    begin(&context, FORM_NAME_FIRST, Some(5))
}

/// `struct hostent *gethostbyname(const char *name)`, and those with further arguments that return as much.
#[uprobe]
pub fn host_asked(context: ProbeContext) -> u32 {
    begin(&context, FORM_HOST, None)
}

/// `int gethostbyname_r(name, struct hostent *, char *buffer, size_t, struct hostent **result, int *error)`
#[uprobe]
pub fn host_asked_reentrant(context: ProbeContext) -> u32 {
    begin(&context, FORM_HOST, Some(4))
}

/// `int gethostbyname2_r(name, int family, struct hostent *, char *buffer, size_t, struct hostent **result, int *error)`
#[uprobe]
pub fn host_asked_reentrant_family(context: ProbeContext) -> u32 {
    begin(&context, FORM_HOST, Some(5))
}

/// A function is entered that has the address of where its answer goes in that argument.
#[inline(always)]
fn begin(context: &ProbeContext, form: u32, result: Option<usize>) -> u32 {
    // SAFETY: the registers that this program was handed.
    let (stack, is_narrow) = unsafe { (stack(context.regs), is_narrow(context.regs)) };
    let thread = process::thread();
    let mut call = Asking {
        stack,
        form: form.into(),
        ..Asking::default()
    };
    if is_narrow {
        call.form |= u64::from(FORM_NARROW);
        // Where it returns to, and the arguments (System V ABI, Intel386).
        let mut words = [0_u32; 7];
        // SAFETY: the helper writes as many bytes as the array has.
        let failed = unsafe {
            bpf_probe_read_user(
                words.as_mut_ptr().cast(),
                size_of_val(&words) as u32,
                stack as *const _,
            )
        };
        if failed != 0 {
            // Its return is no other call's.
            call::forget(thread);
            return 0;
        }
        call.name = words[1].into();
        call.wishes = words[3].into();
        call.result = result.map_or(0, |at| words[1 + at].into());
    } else {
        let argument = |at| untagged(context.arg(at).unwrap_or(0));
        call.name = argument(0);
        call.wishes = argument(2);
        call.result = result.map_or(0, argument);
    }
    if form & FORM_HOST != 0 {
        call.wishes = 0;
    }
    call.enter(thread);
    0
}

/// One of these functions returns.
#[uretprobe]
pub fn name_answered(context: RetProbeContext) -> u32 {
    let thread = process::thread();
    // SAFETY: the registers that this program was handed.
    let (stack, is_narrow) = unsafe { (stack(context.regs), is_narrow(context.regs)) };
    let entered = stack.wrapping_sub(if is_narrow { RETURN / 2 } else { RETURN });
    let call = match call::leave(thread, entered) {
        Return::Innermost(call) => call,
        Return::Other => return 0,
        Return::Unknown => {
            tally(counter::LOOKUPS_MISSED);
            return 0;
        }
    };
    if call.name == 0 {
        tally(counter::LOOKUPS_NAMELESS);
        return 0;
    }
    let returned: u64 = context.ret();
    let process = process::current(0);
    let _ = answer::tell(&call, returned, process, thread);
    0
}
