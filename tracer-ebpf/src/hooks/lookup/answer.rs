//! What was a call answered? The name it asked for and the addresses it got, out of the program's memory.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use tracer_common::{
    Address, NameEvent,
    map::counter,
    name::{ADDRESSES, ANSWERED, Answered, AnsweredEvent, NAME_BYTES},
};

use super::call::{Asking, FORM_HOST, FORM_NAME_FIRST, FORM_NARROW};
use crate::{
    address::{AF_INET, AF_INET6},
    clock::now,
    counts::tally,
    hooks::name::wake,
    maps::NAMES,
    memory::{forget, untagged, zero},
};

/// Entries of a list that are looked at: each address comes once for each kind of socket, of which there are up to three. The verifier follows
/// each.
const ENTRIES: usize = 2 * ADDRESSES;

/// `ERANGE`: the caller's buffer is too small, and he comes again with a larger one.
const TOO_SMALL: i32 = 34;

/// The first bytes of a structure.
struct Entry {
    bytes: [u64; 6],
}

/// A call has returned. A function of its own: what it needs of the stack is given back before its caller goes on.
#[inline(never)]
pub fn tell(call: &Asking, returned: u64, process: u64, thread: u32) -> u32 {
    let form = call.form as u32;
    let (is_narrow, is_host) = (form & FORM_NARROW != 0, form & FORM_HOST != 0);
    let (result, answer) = if is_host && call.result == 0 {
        let answer = pointer(returned, is_narrow);
        (i32::from(answer == 0), answer)
    } else {
        let result = returned as i32;
        if is_host && result == TOO_SMALL {
            return 0;
        }
        let answer = if result == 0 {
            pointer_at(call.result, is_narrow)
        } else {
            0
        };
        // A function with `_r` may find nothing and return 0.
        let result = if result == 0 && answer == 0 {
            1
        } else {
            result
        };
        (result, answer)
    };
    let mut wishes = 0_u32;
    if call.wishes != 0 {
        // SAFETY: `ai_flags`, the first field everywhere.
        let _ = unsafe { read((&raw mut wishes).cast(), 4, call.wishes) };
    }
    let Some(mut entry) = NAMES.reserve::<AnsweredEvent>(0) else {
        tally(counter::NAMES_FULL);
        return 0;
    };
    let place = entry.as_mut_ptr();
    // SAFETY: memory that was just reserved.
    let answered = unsafe {
        (&raw mut (*place).event).write(NameEvent {
            socket: 0,
            began_ns: call.began_ns,
            at_ns: now(),
            process,
            thread,
            within_call: 0,
            address: crate::address::none(),
            port: 0,
            protocol: 0,
            kind: ANSWERED,
            offset: 0,
            length: size_of::<Answered>() as u32,
            segment: 0,
        });
        &raw mut (*place).answered
    };
    // SAFETY: as above; the helper writes at most as many bytes as the field has, the last of them a zero.
    let read_name = unsafe {
        bpf_probe_read_user_str(
            (&raw mut (*answered).name).cast(),
            NAME_BYTES as u32,
            call.name as *const c_void,
        )
    };
    if read_name < 0 {
        tally(counter::LOOKUPS_MISSED);
        entry.discard(0);
        return 0;
    }
    let count = if answer == 0 {
        0
    } else if is_host {
        of_host(answered, answer, form)
    } else {
        of_list(answered, answer, form)
    };
    // SAFETY: as above.
    unsafe {
        (*answered).result = result;
        (*answered).wishes = wishes;
        (*answered).count = count.into();
    }
    entry.submit(wake());
    0
}

/// A way through a list. To the verifier all of it is numbers that it knows nothing of: it follows what is done with an entry once for
/// each, and not anew for each way through the entries before.
#[derive(Clone, Copy)]
struct Walk {
    /// The next entry.
    at: u64,
    /// All ones where pointers have 32 bits. Masks, as all that would be a way of its own through each entry.
    narrow: u64,
    /// All ones where the name stands before the address (`FORM_NAME_FIRST`).
    name_first: u64,
    /// Of a `struct hostent`: of which family all of its addresses are.
    family: u64,
    /// How many addresses are kept.
    count: u64,
    /// The last of them, as [`Words`]; before there is one, what is nobody's address.
    last: Words,
}

/// An address as two numbers of the machine's byte order.
type Words = [u64; 2];

impl Walk {
    #[inline(always)]
    fn new(at: u64, form: u32, family: u32) -> Self {
        let mask = |flag: u32| {
            if form & flag == 0 { 0 } else { u64::MAX }
        };
        Self {
            at,
            narrow: mask(FORM_NARROW),
            name_first: mask(FORM_NAME_FIRST),
            family: family.into(),
            count: 0,
            last: [u64::MAX; 2],
        }
    }

    /// Bytes of a pointer.
    #[inline(always)]
    fn pointer_bytes(&self) -> u64 {
        8 - (self.narrow & 4)
    }
}

/// The first where the mask is all ones, the second where it is 0.
#[inline(always)]
fn choose(mask: u64, first: u64, second: u64) -> u64 {
    second ^ ((first ^ second) & mask)
}

/// Addresses of a `struct hostent`: family and length behind two pointers, then the address of a list of addresses, zero at its end.
#[inline(always)]
fn of_host(answered: *mut Answered, host: u64, form: u32) -> u32 {
    let is_narrow = form & FORM_NARROW != 0;
    let host = Entry::read(host, if is_narrow { 20 } else { 32 });
    let (family, list) = if is_narrow {
        (host.word(2), u64::from(host.word(4)))
    } else {
        (host.word(4), host.bytes[3])
    };
    let mut walk = Walk::new(untagged(list), form, family);
    forget(&mut walk);
    for _ in 0..ADDRESSES {
        if walk.at == 0 {
            break;
        }
        let _ = of_pointer(&mut walk, answered);
        forget(&mut walk);
    }
    walk.count as u32
}

/// The address that a pointer in a list leads to.
#[inline(never)]
fn of_pointer(walk: &mut Walk, answered: *mut Answered) -> u32 {
    let bytes = walk.pointer_bytes();
    let mut address = 0_u64;
    // SAFETY: a number of eight bytes. Where nothing is mapped it becomes 0, the list's end.
    let _ = unsafe { read((&raw mut address).cast(), bytes as u32, walk.at) };
    if address == 0 {
        walk.at = 0;
        return 0;
    }
    walk.at = walk.at.wrapping_add(bytes);
    let family = walk.family as u16;
    keep(walk, answered, untagged(address), 0, family)
}

/// Addresses of a list of `struct addrinfo`.
#[inline(always)]
fn of_list(answered: *mut Answered, first: u64, form: u32) -> u32 {
    let mut walk = Walk::new(first, form, 0);
    forget(&mut walk);
    for _ in 0..ENTRIES {
        if walk.at == 0 || walk.count >= ADDRESSES as u64 {
            break;
        }
        let _ = of_entry(&mut walk, answered);
        forget(&mut walk);
    }
    walk.count as u32
}

/// The address in an entry: four numbers and a length, then three pointers, of which the place of two depends on the library.
#[inline(never)]
fn of_entry(walk: &mut Walk, answered: *mut Answered) -> u32 {
    let entry = Entry::read(walk.at, (48 - (walk.narrow & 16)) as u32);
    let family = entry.word(1) as u16;
    let pointer =
        |narrow, wide: usize| choose(walk.narrow, entry.word(narrow).into(), entry.bytes[wide]);
    let socket = choose(walk.name_first, pointer(6, 4), pointer(5, 3));
    walk.at = untagged(pointer(7, 5));
    // `struct sockaddr_in` has its address behind family and port, `struct sockaddr_in6` a word later.
    keep(walk, answered, untagged(socket).wrapping_add(4), 4, family)
}

impl Entry {
    /// Zeros where nothing is mapped there: the helper writes them.
    #[inline(always)]
    fn read(at: u64, length: u32) -> Self {
        let mut memory = MaybeUninit::uninit();
        let bytes: &mut [u64; 6] = zero(&mut memory);
        // SAFETY: an array of 48 bytes, as many as are asked for at most.
        let _ = unsafe { read(bytes.as_mut_ptr().cast(), length, at) };
        Self { bytes: *bytes }
    }

    /// One of its words of 32 bits. Both kinds of machine are little-endian.
    #[inline(always)]
    fn word(&self, at: usize) -> u32 {
        (self.bytes[at / 2] >> (32 * (at % 2))) as u32
    }
}

/// Keeps the address of that family that lies there, an IPv6 address so many bytes behind, unless it is the last one once more. Whoever
/// walks sees to it that there is room.
#[inline(always)]
fn keep(walk: &mut Walk, answered: *mut Answered, at: u64, behind: u64, family: u16) -> u32 {
    // One way for both families, which differ in one bit.
    let is_ipv6 = u64::from(family & (AF_INET6 - AF_INET) != 0);
    if family & !(AF_INET6 - AF_INET) != AF_INET {
        return 0;
    }
    let mapped = is_ipv6.wrapping_sub(1);
    let at = at.wrapping_add(behind & !mapped);
    let mut memory = MaybeUninit::uninit();
    let words: &mut Words = zero(&mut memory);
    // To the verifier of Linux 5.10 a mask would not say that there is room for it.
    let length = 4 + 12 * is_ipv6 as u32;
    // SAFETY: an array of sixteen bytes.
    if unsafe { read(words.as_mut_ptr().cast(), length, at) } != 0 {
        return 0;
    }
    let [.., mark, ipv4] = Address::mapped(words[0] as u32).words();
    let words = [
        choose(mapped, 0, words[0]),
        choose(mapped, u64::from(mark) | u64::from(ipv4) << 32, words[1]),
    ];
    let differs = (words[0] ^ walk.last[0]) | (words[1] ^ walk.last[1]);
    if differs == 0 {
        return 0;
    }
    let index = walk.count as usize & (ADDRESSES - 1);
    // SAFETY: an index within the array's bounds.
    unsafe {
        (&raw mut (*answered).addresses)
            .cast::<Words>()
            .add(index)
            .write(words);
    };
    walk.last = words;
    walk.count += 1;
    0
}

#[inline(always)]
fn pointer(value: u64, is_narrow: bool) -> u64 {
    if is_narrow {
        u64::from(value as u32)
    } else {
        untagged(value)
    }
}

#[inline(always)]
fn pointer_at(at: u64, is_narrow: bool) -> u64 {
    let mut value = 0_u64;
    // SAFETY: a number of eight bytes.
    let failed = unsafe { read((&raw mut value).cast(), if is_narrow { 4 } else { 8 }, at) };
    if failed == 0 {
        pointer(value, is_narrow)
    } else {
        0
    }
}

/// # Safety
///
/// There must be room for so many bytes.
#[inline(always)]
unsafe fn read(to: *mut c_void, length: u32, from: u64) -> i64 {
    // SAFETY: as said; the helper never faults.
    unsafe { bpf_probe_read_user(to, length, from as *const c_void) }
}
