//! Which open flows get a slot of the fast path: those of UDP that last, of each socket the one over which most has passed.

use std::collections::{HashMap, HashSet};

use tracer_common::{Flow, FlowKey, map::PROTOCOL_UDP};

use super::Pipeline;

/// A flow lasts when something passes so many seconds after its first datagram. Most do not, and cost nothing here. Nor does a
/// datagram that was on its way to a socket when that was closed, and made a flow of a socket that is no more.
const LASTING: u32 = 2;

/// What one reading of the flows finds.
#[derive(Default)]
pub(super) struct Found {
    /// Slots whose flow is still there.
    kept: HashSet<u32>,
    /// For free slots, who should get them.
    chosen: HashMap<u32, (FlowKey, Flow)>,
}

impl Found {
    /// The flow was read and has a slot.
    pub(super) fn keep(&mut self, slot: u32) {
        self.kept.insert(slot);
    }

    /// The flow was read, has no slot and may get one. `room` says which, if nobody has it.
    pub(super) fn consider(
        &mut self,
        key: &FlowKey,
        flow: &Flow,
        room: impl FnOnce(&Flow) -> Option<u32>,
    ) {
        let lasts = flow.last_second.wrapping_sub(flow.opened).cast_signed() >= LASTING as i32;
        // A slot does not say over which interface, nor whom the call named.
        let has_place = key.protocol == PROTOCOL_UDP
            && key.interface == 0
            && flow.led == 0
            && flow.followed != 0;
        if !has_place || !lasts {
            return;
        }
        let Some(slot) = room(flow) else {
            return;
        };
        let (_, chosen) = self.chosen.entry(slot).or_insert((*key, *flow));
        if passed(flow) > passed(chosen) {
            self.chosen.insert(slot, (*key, *flow));
        }
    }
}

fn passed(flow: &Flow) -> u64 {
    flow.sent.wrapping_add(flow.received)
}

impl Pipeline {
    /// Takes slots back of flows that are gone, and gives away those that are free.
    pub(super) fn assign(&mut self, found: &Found) {
        let Some(fast) = &mut self.fast else {
            return;
        };
        fast.keep(&found.kept);
        for (key, flow) in found.chosen.values() {
            fast.give(key, flow, self.second, || {
                self.kernel.has_socket(key.socket)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::map::PROTOCOL_ICMP;

    #[test]
    fn of_the_flows_that_last_the_largest_is_chosen() {
        let key = |socket| FlowKey {
            socket,
            protocol: PROTOCOL_UDP,
            ..FlowKey::default()
        };
        let lasting = Flow {
            sent: 10,
            opened: u32::MAX,
            last_second: 1,
            followed: 1,
            ..Flow::default()
        };
        let large = Flow {
            received: 20,
            ..lasting
        };
        let mut found = Found::default();
        found.consider(&key(1), &lasting, |_| Some(1));
        found.consider(&key(2), &large, |_| Some(1));
        found.consider(&key(3), &lasting, |_| Some(1));
        let brief = Flow {
            last_second: 0,
            ..large
        };
        found.consider(&key(4), &brief, |_| Some(2));
        let unfollowed = Flow {
            followed: 0,
            ..large
        };
        found.consider(&key(5), &unfollowed, |_| Some(2));
        let ping = FlowKey {
            protocol: PROTOCOL_ICMP,
            ..key(6)
        };
        found.consider(&ping, &large, |_| Some(2));
        let link_local = FlowKey {
            interface: 3,
            ..key(8)
        };
        found.consider(&link_local, &large, |_| Some(2));
        let led = Flow { led: 1, ..large };
        found.consider(&key(9), &led, |_| Some(2));
        found.consider(&key(7), &large, |_| None);
        let chosen: Vec<_> = found.chosen.into_iter().collect();
        assert_eq!(chosen, [(1, (key(2), large))]);
    }
}
