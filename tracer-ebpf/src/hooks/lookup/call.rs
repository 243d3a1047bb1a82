//! Which call does a return belong to? The stack says.
//!
//! A function that asks may call another one that does: then the return of the innermost tells what there is to tell. A call may also be
//! left without a return, by a jump or by its thread's end, and its thread's number be given to another: what is noted of it holds for
//! as long as a call may take, and no longer. A library that two paths lead to has each probe twice, and each call is entered and left
//! twice.
//!
//! A child of `vfork(2)`, which has its parent's memory, is a thread of its own here.

use crate::{clock::now, counts::ANY, maps::ASKING};

// What a function that asks for a name is like: bits of `Asking::form`.

/// It answers with one `struct hostent`, else with a list of `struct addrinfo`.
pub const FORM_HOST: u32 = 1;
/// In its `struct addrinfo` the name precedes the address, as BSD and bionic have it.
pub const FORM_NAME_FIRST: u32 = 2;
/// Its pointers have 32 bits.
pub const FORM_NARROW: u32 = 4;

/// Nanoseconds that a call may take. Three servers, two tries of five seconds each (resolv.conf(5)) take half a minute for a name; several
/// domains to try, as many times that.
const LONGEST_NS: u64 = 120 * 1_000_000_000;

/// The last call of a thread.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Asking {
    /// Where the caller's stack ended when the innermost function was entered; 0 once that has answered.
    pub stack: u64,
    /// The same of the outermost one; 0 once that has returned.
    pub outermost: u64,
    /// `CLOCK_MONOTONIC` nanoseconds at which the innermost one was entered: it is the one that asks.
    pub began_ns: u64,
    /// Address of the name.
    pub name: u64,
    /// Address of what the caller wishes for, 0 where the function has no such argument.
    pub wishes: u64,
    /// Address of where the answer's address is put, 0 where it is returned.
    pub result: u64,
    /// `FORM_…`.
    pub form: u64,
}

/// Whose return it is.
pub enum Return {
    /// That of the innermost function, which has not answered yet.
    Innermost(Asking),
    /// That of one around it, or the same once more.
    Other,
    /// Nothing is known of the call.
    Unknown,
}

impl Asking {
    /// Whether it may go on, as of `now`.
    #[inline(always)]
    fn lasts(&self, now: u64) -> bool {
        self.outermost != 0 && now.wrapping_sub(self.began_ns) < LONGEST_NS
    }

    /// A thread enters a function at `self.stack`.
    #[inline(always)]
    pub fn enter(mut self, thread: u32) {
        self.outermost = self.stack;
        self.began_ns = now();
        if let Some(outer) = ASKING.get_ptr(&thread) {
            // SAFETY: a value that only this thread changes.
            let outer = unsafe { *outer };
            // Stacks grow downwards: what was entered before and ends here, or below, has been left.
            if outer.outermost > self.stack && outer.lasts(self.began_ns) {
                self.outermost = outer.outermost;
            }
        }
        // An LRU takes what it is given.
        let _ = ASKING.insert(&thread, &self, ANY);
    }
}

/// A thread leaves a function that it entered at `entered`.
#[inline(always)]
pub fn leave(thread: u32, entered: u64) -> Return {
    let Some(place) = ASKING.get_ptr_mut(&thread) else {
        return Return::Unknown;
    };
    // SAFETY: a value that only this thread changes.
    let call = unsafe { *place };
    // SAFETY: as above. It stays: what returns once more is to be known.
    unsafe {
        // What has answered does not answer again, nor does what is around it.
        (*place).stack = 0;
        if entered >= call.outermost {
            (*place).outermost = 0;
        }
    }
    if call.stack == entered {
        Return::Innermost(call)
    } else {
        Return::Other
    }
}

/// Nothing is known of what a thread does.
#[inline(always)]
pub fn forget(thread: u32) {
    let _ = ASKING.remove(&thread);
}

/// Whether that thread asks for a name: 1 or 0.
#[inline(always)]
pub fn asks(thread: u32) -> u32 {
    if thread == 0 {
        return 0;
    }
    let call = ASKING.get_ptr(&thread);
    // SAFETY: a value that only this thread changes, and it is the one that runs.
    u32::from(call.is_some_and(|call| unsafe { *call }.lasts(now())))
}
