//! Which flows are on the fast path: slots of memory that the kernel side shares.
//!
//! A slot belongs to one address of a `struct sock`. What is counted there comes on top of the flow's entry in `FLOWS`, so that
//! it may be given at any time; it is taken back when the flow is over. No datagram may find the slot of another socket that had
//! the same address before, so giving has an order:
//!
//! 1. all is written but `sock` and `port`, without either of which no datagram is counted;
//! 2. `sock` is: from now on the kernel side clears it when the socket is closed;
//! 3. the socket is looked for in `SOCKETS`, from which the kernel side has removed it before that: where it is not to be
//!    found, it was closed too early to clear anything;
//! 4. `port` is.

use std::{
    collections::{HashMap, HashSet},
    io,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
    ptr::{NonNull, null_mut},
    sync::atomic::{
        AtomicU16, AtomicU32, AtomicU64,
        Ordering::{Acquire, Release},
    },
};

use aya::maps::{Array, IterableMap as _, MapData};
use tracer_common::{
    FastFlow, Flow, FlowKey,
    fast::{self, FAST_FLOWS},
};

const BYTES: usize = size_of::<fast::FastFlows>();

/// The slots, and who has them.
pub struct FastFlows {
    memory: NonNull<FastFlow>,
    /// By slot: the flow's key, and when it was opened, which tells it from a later one of that key.
    held: HashMap<u32, (FlowKey, u32)>,
}

impl FastFlows {
    /// The slots in the kernel side's map.
    pub fn of(array: &Array<MapData, fast::FastFlows>) -> io::Result<Self> {
        Self::map(array.map().fd().as_fd().as_raw_fd(), libc::MAP_SHARED)
    }

    fn map(descriptor: RawFd, flags: libc::c_int) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: new memory, wherever there is room.
        let memory = unsafe { libc::mmap(null_mut(), BYTES, access, flags, descriptor, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            memory,
            held: HashMap::new(),
        })
    }

    /// Says what time it is, as [`Kernel::set_second`](super::source::Kernel::set_second).
    pub fn set_second(&self, second: u32) {
        for slot in self.held.keys() {
            // SAFETY: a field of a slot, which the kernel side reads meanwhile.
            unsafe { AtomicU32::from_ptr(&raw mut (*self.at(*slot)).second) }
                .store(second, Release);
        }
    }

    /// How many have one.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The flow's slot, if it has it.
    pub fn slot(&self, key: &FlowKey, flow: &Flow) -> Option<u32> {
        (self.held.get(&flow.slot) == Some(&(*key, flow.opened))).then_some(flow.slot)
    }

    /// The slot that the flow could have, if nobody has it.
    pub fn room(&self, flow: &Flow) -> Option<u32> {
        (flow.sock != 0 && !self.held.contains_key(&flow.slot)).then_some(flow.slot)
    }

    /// The flow, with what was counted in its slot.
    pub fn sum(&self, slot: u32, flow: &Flow) -> Flow {
        let fast = self.at(slot);
        // SAFETY: fields of a slot. The kernel side writes them meanwhile, as atomics do.
        let (sent, received, last, answered) = unsafe {
            (
                AtomicU64::from_ptr(&raw mut (*fast).sent).load(Acquire),
                AtomicU64::from_ptr(&raw mut (*fast).received).load(Acquire),
                AtomicU32::from_ptr(&raw mut (*fast).last_second).load(Acquire),
                AtomicU16::from_ptr(&raw mut (*fast).answered).load(Acquire),
            )
        };
        let is_later = last.wrapping_sub(flow.last_second).cast_signed() > 0;
        Flow {
            // What a full queue refused is taken back, maybe from where it was not added.
            sent: flow.sent.wrapping_add(sent),
            received: flow.received.wrapping_add(received),
            last_second: if is_later { last } else { flow.last_second },
            answered: flow.answered | u16::from(answered != 0),
            ..*flow
        }
    }

    /// Gives the flow a slot that has [`room`](Self::room) for it. `is_open` says whether its socket is in `SOCKETS`; `second` is what
    /// time it is.
    pub fn give(
        &mut self,
        key: &FlowKey,
        flow: &Flow,
        second: u32,
        is_open: impl FnOnce() -> bool,
    ) {
        let fast = self.at(flow.slot);
        // SAFETY: a slot that nobody has: the kernel side neither writes it nor believes it while `sock` and `port` are 0.
        unsafe {
            fast.write_volatile(FastFlow {
                socket: key.socket,
                address: key.address,
                last_second: flow.last_second,
                second,
                answered: flow.answered,
                direction: u16::from(flow.destination.direction),
                ..FastFlow::default()
            });
            AtomicU64::from_ptr(&raw mut (*fast).sock).store(flow.sock, Release);
            if !is_open() {
                AtomicU64::from_ptr(&raw mut (*fast).sock).store(0, Release);
                return;
            }
            AtomicU32::from_ptr(&raw mut (*fast).port)
                .store(fast::port(&key.address, key.port), Release);
        }
        self.held.insert(flow.slot, (*key, flow.opened));
    }

    /// Takes every slot back but those: the others' flows are over, and nothing passes over them any more.
    pub fn keep(&mut self, slots: &HashSet<u32>) {
        let memory = self.memory;
        self.held.retain(|slot, _| {
            let keep = slots.contains(slot);
            if !keep {
                // SAFETY: as in `give`: nothing is counted here any more.
                unsafe { at(memory, *slot).write_volatile(FastFlow::default()) };
            }
            keep
        });
    }

    fn at(&self, slot: u32) -> *mut FastFlow {
        at(self.memory, slot)
    }
}

fn at(memory: NonNull<FastFlow>, slot: u32) -> *mut FastFlow {
    assert!(slot < FAST_FLOWS, "a slot");
    // SAFETY: within the memory that `map` has made.
    unsafe { memory.add(slot as usize).as_ptr() }
}

impl Drop for FastFlows {
    fn drop(&mut self) {
        // SAFETY: made by `map`, and nobody else's.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::{Address, map::PROTOCOL_UDP};

    fn slots() -> FastFlows {
        FastFlows::map(-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).expect("memory")
    }

    fn flow(sock: u64) -> (FlowKey, Flow) {
        let key = FlowKey {
            socket: sock + 1,
            address: Address::mapped(7),
            port: 53,
            protocol: PROTOCOL_UDP,
            ..FlowKey::default()
        };
        let flow = Flow {
            sent: 10,
            last_second: u32::MAX,
            sock,
            slot: 77,
            opened: 5,
            ..Flow::default()
        };
        (key, flow)
    }

    #[test]
    fn what_a_slot_has_counted_comes_on_top_of_the_flow() {
        let mut fast = slots();
        let (key, flow) = flow(0xffff_8880_1234_5640);
        let slot = fast.room(&flow).expect("nobody has it");
        fast.give(&key, &flow, 1, || true);
        assert_eq!(fast.slot(&key, &flow), Some(slot));
        assert_eq!(fast.room(&flow), None, "it is given away");
        assert_eq!(fast.sum(slot, &flow), flow, "nothing has passed");
        // SAFETY: this test's own memory.
        unsafe {
            let there = &mut *fast.at(slot);
            let port = u32::from(53_u16.to_be()) + fast::FAST_IPV4;
            assert_eq!((there.sock, there.port), (flow.sock, port));
            there.sent += 5;
            there.received += 7;
            there.last_second = 1;
            there.answered = 1;
        }
        let expected = Flow {
            sent: 15,
            received: 7,
            last_second: 1,
            answered: 1,
            ..flow
        };
        assert_eq!(fast.sum(slot, &flow), expected);
    }

    #[test]
    fn a_later_flow_of_the_same_key_has_no_part_in_it() {
        let mut fast = slots();
        let (key, flow) = flow(64);
        fast.give(&key, &flow, 1, || true);
        let later = Flow { opened: 6, ..flow };
        assert_eq!(fast.slot(&key, &later), None);
        fast.keep(&HashSet::new());
        assert_eq!(fast.slot(&key, &flow), None);
        let slot = fast.room(&later).expect("it was taken back");
        // SAFETY: this test's own memory.
        assert_eq!(unsafe { *fast.at(slot) }, FastFlow::default());
    }

    #[test]
    fn a_socket_that_was_closed_meanwhile_gets_no_slot() {
        let mut fast = slots();
        let (key, flow) = flow(64);
        let before = fast.at(flow.slot);
        // SAFETY: this test's own memory.
        fast.give(&key, &flow, 1, || unsafe {
            assert_eq!((*before).sock, 64, "the kernel side can clear it");
            assert_eq!((*before).port, 0, "no datagram is counted yet");
            false
        });
        assert_eq!(fast.slot(&key, &flow), None);
        // SAFETY: as above.
        assert_eq!(unsafe { ((*before).sock, (*before).port) }, (0, 0));
    }
}
