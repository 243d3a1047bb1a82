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
    collections::{HashMap, HashSet, hash_map::Entry},
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
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

/// The slots, and who has them.
pub struct FastFlows {
    memory: Memory,
    /// By slot: the flow's key, and when it was opened, which tells it from a later one of that key.
    held: HashMap<u32, (FlowKey, u32)>,
}

/// The pages of the map in which a slot is held: all of them together are more than most machines ever need.
struct Memory {
    /// The map; `None` for a test's own memory.
    map: Option<OwnedFd>,
    /// Slots in a page.
    slots: u32,
    /// By the number of the page.
    pages: HashMap<u32, NonNull<FastFlow>>,
}

impl FastFlows {
    /// The slots in the kernel side's map.
    pub fn of(array: &Array<MapData, fast::FastFlows>) -> io::Result<Self> {
        let map = array.map().fd().as_fd().try_clone_to_owned()?;
        let mut memory = Memory::new(Some(map));
        // Whether it is to be had at all.
        memory.page_of(0)?;
        memory.keep(&HashSet::new());
        Ok(Self::new(memory))
    }

    fn new(memory: Memory) -> Self {
        Self {
            memory,
            held: HashMap::new(),
        }
    }

    /// Says what time it is, as [`Kernel::set_second`](super::source::Kernel::set_second).
    pub fn set_second(&self, second: u32) {
        for slot in self.held.keys() {
            // SAFETY: a field of a slot, which the kernel side reads meanwhile.
            unsafe { AtomicU32::from_ptr(&raw mut (*self.memory.at(*slot)).second) }
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
        let fast = self.memory.at(slot);
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

    /// Gives the flow a slot that has [`room`](Self::room) for it, if its memory is to be had. `is_open` says whether its socket is in
    /// `SOCKETS`; `second` is what time it is.
    pub fn give(
        &mut self,
        key: &FlowKey,
        flow: &Flow,
        second: u32,
        is_open: impl FnOnce() -> bool,
    ) {
        if self.memory.page_of(flow.slot).is_err() {
            return;
        }
        let fast = self.memory.at(flow.slot);
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
        let memory = &mut self.memory;
        self.held.retain(|slot, _| {
            let keep = slots.contains(slot);
            if !keep {
                // SAFETY: as in `give`: nothing is counted here any more.
                unsafe { memory.at(*slot).write_volatile(FastFlow::default()) };
            }
            keep
        });
        memory.keep(&self.held.keys().map(|slot| slot / memory.slots).collect());
    }
}

impl Memory {
    fn new(map: Option<OwnedFd>) -> Self {
        // SAFETY: asks for a number.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.cast_unsigned() as usize;
        Self {
            map,
            slots: (bytes / size_of::<FastFlow>()) as u32,
            pages: HashMap::new(),
        }
    }

    fn bytes(&self) -> usize {
        self.slots as usize * size_of::<FastFlow>()
    }

    /// Has the page of a slot.
    fn page_of(&mut self, slot: u32) -> io::Result<()> {
        assert!(slot < FAST_FLOWS, "a slot");
        let bytes = self.bytes();
        let number = slot / self.slots;
        if let Entry::Vacant(page) = self.pages.entry(number) {
            let (descriptor, flags) = match &self.map {
                Some(map) => (map.as_raw_fd(), libc::MAP_SHARED),
                None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
            };
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let at = (number as usize * bytes) as libc::off_t;
            // SAFETY: new memory, wherever there is room.
            let memory = unsafe { libc::mmap(null_mut(), bytes, access, flags, descriptor, at) };
            if memory == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            page.insert(NonNull::new(memory.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?);
        }
        Ok(())
    }

    /// A slot of which the page is there.
    fn at(&self, slot: u32) -> *mut FastFlow {
        let page = self.pages[&(slot / self.slots)];
        // SAFETY: within the page.
        unsafe { page.add((slot % self.slots) as usize).as_ptr() }
    }

    /// Gives back all pages but those.
    fn keep(&mut self, numbers: &HashSet<u32>) {
        let bytes = self.bytes();
        for (_, page) in self.pages.extract_if(|number, _| !numbers.contains(number)) {
            // SAFETY: made by `page_of`, and nobody else's.
            unsafe { libc::munmap(page.as_ptr().cast(), bytes) };
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.keep(&HashSet::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::{Address, map::PROTOCOL_UDP};

    fn slots() -> FastFlows {
        FastFlows::new(Memory::new(None))
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
            let there = &mut *fast.memory.at(slot);
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
        let other = Flow { slot: 78, ..flow };
        fast.give(&key, &other, 1, || true);
        fast.keep(&HashSet::from([78]));
        assert_eq!(fast.slot(&key, &flow), None);
        // SAFETY: this test's own memory, of which the other slot keeps the page.
        assert_eq!(unsafe { *fast.memory.at(77) }, FastFlow::default());
        fast.keep(&HashSet::new());
        assert!(fast.memory.pages.is_empty(), "nobody needs it");
        assert_eq!(fast.room(&later), Some(77), "it was taken back");
    }

    #[test]
    fn a_socket_that_was_closed_meanwhile_gets_no_slot() {
        let mut fast = slots();
        let (key, flow) = flow(64);
        fast.memory.page_of(flow.slot).expect("memory");
        let before = fast.memory.at(flow.slot);
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
