//! Which TCP streams are behind whatever may say a name? Of most packets that leave, that is all that is asked.
//!
//! The kernel's own answer costs a call for each packet. What it was is kept in an array, at a slot that the packet's hash says: TCP draws
//! a random number for each connection (`sk_set_txhash` and `skb_set_hash_from_sk` of include/net/sock.h), and writes it to each packet
//! that leaves. A slot has the whole number and both ports. So it holds no other connection's answer: that one would need the same ports
//! and, at random, the same 32 bits.

use aya_ebpf::programs::SkBuffContext;

use crate::maps::{STREAMS, STREAMS_BEHIND};

/// A stream as its slot has it: its hash, the local port, the remote one. Both ports lie as the kernel has them.
#[derive(Clone, Copy)]
pub struct Stream(u64);

impl Stream {
    /// The one that a packet of TCP leaves over.
    #[inline(always)]
    pub fn of(context: &SkBuffContext) -> Self {
        let skb = context.skb.skb;
        // SAFETY: fields of the context, which the kernel translates, and two that every socket has.
        unsafe {
            let sock = (*skb).__bindgen_anon_2.sk;
            if sock.is_null() {
                return Self(0);
            }
            let ports = (*sock).src_port << 16 | u32::from((*sock).dst_port);
            Self(u64::from((*skb).hash) << 32 | u64::from(ports))
        }
    }

    /// Whether it is known to be behind; else it is to be asked.
    #[inline(always)]
    pub fn is_behind(self) -> bool {
        // SAFETY: a live map value.
        self.slot()
            .is_some_and(|slot| unsafe { slot.read_volatile() } == self.0)
    }

    /// It is from now on.
    #[inline(always)]
    pub fn is_behind_now(self) {
        if let Some(slot) = self.slot() {
            // SAFETY: a live map value. It is written at once: nobody reads half of it.
            unsafe { slot.write_volatile(self.0) };
        }
    }

    /// `None` where TCP has given the packet no number.
    #[inline(always)]
    fn slot(self) -> Option<*mut u64> {
        let hash = (self.0 >> 32) as u32;
        if hash == 0 {
            return None;
        }
        let slots = STREAMS_BEHIND.get_ptr_mut(0)?.cast::<u64>();
        // SAFETY: a live map value; the mask is what says to the verifier that the slot lies in it.
        Some(unsafe { slots.add((hash & (STREAMS - 1)) as usize) })
    }
}
