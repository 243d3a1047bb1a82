//! Flows of datagrams: which are open, which are over, and how they ended.
//!
//! The kernel side opens flows and counts what passes; nothing there could go through all flows of a socket that closes.
//! So they end here: with their socket, or after two minutes of silence.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use tracer_common::{
    Address, Flow, FlowKey, Record,
    map::{PROTOCOL_SCTP, SILENCE},
    outcome,
    record::{ESTABLISHED, UNKNOWN},
};

use super::{
    Pipeline,
    ended::PATIENCE,
    fast_flows::Found,
    live::{Contact, Live},
    programs::NAMELESS,
};
use crate::{
    kernel::{signal::Signal, source},
    model::Id,
};

/// The kernel side ends a flow itself when something passes after the silence; a program that began before the silence
/// was full, and is late, is over by then too. In seconds.
const MARGIN: u32 = 2;

impl Pipeline {
    /// Ends the flows that are over, and adds the others where they are wanted. Returns how many there are, and how many sockets.
    pub(super) fn read_flows(&mut self, mut live: Option<&mut Live>) -> io::Result<(u64, u64)> {
        let second = self.second;
        let own = self.kernel.own_handle;
        // Sockets first: a flow of a socket that is not among them, and was to be, is over.
        let mut sockets = HashSet::new();
        let count = self
            .kernel
            .sockets(|_, socket| _ = sockets.insert(socket.identity))?;
        let ends_are_seen = self.kernel.serves(Signal::SocketEnd);
        let mut over = Vec::new();
        // Since when a socket is known to be closed. Its flows stay for a while: a packet that was on its way to it when
        // it was closed is counted, too.
        let mut closing = HashMap::new();
        let mut found = Found::default();
        let flows = self.kernel.flows(|key, flow| {
            let fast = self.fast.as_ref();
            let slot = fast.and_then(|fast| fast.slot(key, flow));
            let flow = match (fast, slot) {
                (Some(fast), Some(slot)) => {
                    found.keep(slot);
                    &fast.sum(slot, flow)
                }
                _ => flow,
            };
            let closed = ends_are_seen && flow.followed != 0 && !sockets.contains(&flow.keeper);
            let since = self.closing.get(&flow.keeper).copied().unwrap_or(second);
            if is_over(key, flow, closed.then_some(since), second) {
                over.push((*key, *flow, closed));
                return;
            }
            if let (Some(fast), None, false) = (fast, slot, closed) {
                found.consider(key, flow, |flow| fast.room(flow));
            }
            if closed {
                closing.insert(flow.keeper, since);
            }
            if let Some(live) = &mut live
                && flow.destination.process != own
            {
                // What is never answered has failed when it is over, and not before.
                let outcome = if flow.answered == 0 {
                    UNKNOWN
                } else {
                    ESTABLISHED
                };
                let contact = Contact {
                    record: of_flow(key, flow, outcome),
                    is_open: !closed || flow.answered == 0,
                };
                live.insert(Id::of_flow(key, flow), contact);
            }
        })?;
        self.closing = closing;
        self.assign(&found);
        let ended = over
            .iter()
            .filter(|(key, flow, closed)| self.end(key, flow, *closed))
            .count() as u64;
        if !ends_are_seen {
            let mut busy = HashSet::new();
            self.kernel.flows(|_, flow| _ = busy.insert(flow.keeper))?;
            self.forget_sockets(&busy)?;
        }
        Ok((flows - ended, count))
    }

    /// Ends one flow: its contact is booked. `false` where it could not be, and then comes again.
    fn end(&mut self, key: &FlowKey, flow: &Flow, closed: bool) -> bool {
        let handle = flow.destination.process;
        if self.programs.find(handle).is_none() {
            self.learn();
        }
        let own = self.kernel.own_handle == handle;
        let known = self.programs.find(handle);
        // Of a program that is gone already, a flow that a late packet opened is nobody's.
        let is_late = self.second.wrapping_sub(flow.opened) >= PATIENCE;
        if (known.is_none() && !own && !is_late) || self.kernel.maps.flows.remove(key).is_err() {
            return false;
        }
        if own {
            return true;
        }
        let outcome = outcome::of_flow(flow.answered != 0, closed, flow.error, flow.refused);
        let record = Record {
            ended_ns: source::monotonic_ns(),
            ..of_flow(key, flow, outcome)
        };
        if let Some(known) = known {
            self.book.end(known, &record);
        } else {
            self.lost_records += 1;
            self.book.end(&NAMELESS, &record);
        }
        true
    }

    /// Where nobody tells the end of a socket, one without a flow need not be kept.
    fn forget_sockets(&mut self, busy: &HashSet<u64>) -> io::Result<()> {
        let mut idle = Vec::new();
        self.kernel.sockets(|socket, facts| {
            if !busy.contains(&facts.identity) {
                idle.push(*socket);
            }
        })?;
        for socket in idle {
            // One that is gone is what is wanted.
            let _ = self.kernel.maps.sockets.remove(&socket);
        }
        Ok(())
    }
}

/// What the record of a flow says, but for its end.
fn of_flow(key: &FlowKey, flow: &Flow, outcome: u16) -> Record {
    Record {
        destination: flow.destination,
        socket: key.socket,
        began_ns: flow.began_ns,
        sent: flow.sent,
        received: flow.received,
        remote_port: key.port,
        namespace: flow.namespace,
        interface: key.interface,
        thread: flow.thread,
        outcome,
        ..Record::default()
    }
}

/// Whether a flow is over in that second. `closed` says since when its socket is known to be closed.
fn is_over(key: &FlowKey, flow: &Flow, closed: Option<u32>, second: u32) -> bool {
    // Modulo 2^32, and a datagram may have passed in a second that this reading has not reached.
    let silence = second.wrapping_sub(flow.last_second).cast_signed();
    // An association of SCTP may be silent as long as it likes, and its end is seen.
    let may_be_silent = key.protocol == PROTOCOL_SCTP && key.address == Address::ANY;
    closed.is_some_and(|since| second.wrapping_sub(since) >= MARGIN)
        || (!may_be_silent && silence > (SILENCE + MARGIN) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flow over which something passed last in the second `last`.
    fn check_over(key: &FlowKey, last: u32, closed: Option<u32>, second: u32, expected: bool) {
        let flow = Flow {
            last_second: last,
            ..Flow::default()
        };
        let found = is_over(key, &flow, closed, second);
        assert_eq!(found, expected, "{last} {closed:?} {second}");
    }

    #[test]
    fn a_flow_is_over_after_two_minutes_of_silence_and_a_margin() {
        let over = SILENCE + MARGIN + 1;
        let check = |last, second, expected| {
            check_over(&FlowKey::default(), last, None, second, expected);
        };
        check(7, 7, false);
        check(7, 7 + over - 1, false);
        check(7, 7 + over, true);
        // The kernel side was told of a second that this reading has not reached.
        check(8, 7, false);
        // Seconds begin again at 0.
        check(u32::MAX - 1, over - 3, false);
        check(u32::MAX - 1, over - 2, true);
    }

    #[test]
    fn a_flow_outlives_its_socket_by_the_margin_alone() {
        let key = FlowKey::default();
        check_over(&key, 7, Some(7), 7 + MARGIN - 1, false);
        check_over(&key, 7, Some(7), 7 + MARGIN, true);
        // What still passes after the close does not keep it.
        check_over(&key, 7 + MARGIN, Some(7), 7 + MARGIN, true);
        check_over(&key, 7, Some(u32::MAX), MARGIN - 1, true);
    }

    #[test]
    fn an_association_is_over_with_its_end_and_not_by_silence() {
        let association = FlowKey {
            protocol: PROTOCOL_SCTP,
            ..FlowKey::default()
        };
        check_over(&association, 0, None, 1 << 20, false);
        // At the control group SCTP counts as datagrams do, and its flows have a remote.
        let packets = FlowKey {
            address: Address::mapped(1),
            ..association
        };
        check_over(&packets, 0, None, 1 << 20, true);
    }
}
