//! Whose are connections that were complete when the tracer came, and that nobody had accepted yet?
//!
//! No process holds such a socket, and the kernel does not tell in which listener's queue it is; but of each listener it tells how many
//! are in its queue. Where there are, at every port of a namespace, as many sockets that nobody holds as are in the queue of the only
//! listener there that has any, each is in that queue. Where the numbers do not agree, as when connections are led to another port
//! (TPROXY), or while the queues change, nobody is named.

use std::collections::HashMap;

use super::older::Waiting;

// include/net/tcp_states.h
const ESTABLISHED: u8 = 1;
const CLOSE_WAIT: u8 = 8;

/// A socket, as far as this asks.
#[derive(Clone, Copy, Debug)]
pub struct Unheld {
    pub cookie: u64,
    pub local_port: u16,
}

/// Whether a connection in this state that no process holds waits to be accepted. In others its process has left it.
pub fn can_wait(state: u8) -> bool {
    matches!(state, ESTABLISHED | CLOSE_WAIT)
}

/// The listener of each; nothing where it is not sure of all.
pub fn listeners<'a>(unheld: &[Unheld], listeners: &'a [Waiting]) -> HashMap<u64, &'a Waiting> {
    let mut queues: HashMap<u16, Vec<&Waiting>> = HashMap::new();
    for listener in listeners.iter().filter(|listener| listener.queued > 0) {
        queues.entry(listener.port).or_default().push(listener);
    }
    let mut waiting: HashMap<u16, u32> = HashMap::new();
    for socket in unheld {
        *waiting.entry(socket.local_port).or_default() += 1;
    }
    let length = |queues: &[&Waiting]| queues.iter().map(|listener| listener.queued).sum::<u32>();
    let agree = waiting.len() == queues.len()
        && queues
            .iter()
            .all(|(port, queues)| waiting.get(port) == Some(&length(queues)));
    if !agree {
        return HashMap::new();
    }
    unheld
        .iter()
        .filter_map(|socket| match queues[&socket.local_port][..] {
            [one] => Some((socket.cookie, one)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(cookie: u64, port: u16, queued: u32) -> Waiting {
        Waiting {
            cookie,
            port,
            inode: 0,
            user: 0,
            queued,
        }
    }

    /// Pairs of a socket and its listener, by their cookies.
    fn check(unheld: &[(u64, u16)], all: &[Waiting], expected: &[(u64, u64)]) {
        let unheld: Vec<_> = unheld
            .iter()
            .map(|&(cookie, local_port)| Unheld { cookie, local_port })
            .collect();
        let mut found: Vec<_> = listeners(&unheld, all)
            .into_iter()
            .map(|(cookie, listener)| (cookie, listener.cookie))
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_waits_is_of_the_only_listener_with_as_many_in_its_queue() {
        let all = [listener(1, 80, 2), listener(2, 81, 1), listener(3, 82, 0)];
        check(
            &[(10, 80), (11, 80), (12, 81)],
            &all,
            &[(10, 1), (11, 1), (12, 2)],
        );
        // Another socket at the port, in whose queue there is none.
        let all = [listener(1, 80, 1), listener(2, 80, 0)];
        check(&[(10, 80)], &all, &[(10, 1)]);
    }

    #[test]
    fn of_two_listeners_with_queues_at_a_port_neither_is_named() {
        let all = [listener(1, 80, 1), listener(2, 80, 1), listener(3, 81, 1)];
        check(&[(10, 80), (11, 80), (12, 81)], &all, &[(12, 3)]);
    }

    #[test]
    fn where_the_numbers_do_not_agree_nobody_is_named() {
        // Led to another port.
        let all = [listener(1, 80, 1), listener(2, 9999, 1)];
        check(&[(10, 80), (11, 80)], &all, &[]);
        check(&[(10, 80)], &[listener(1, 80, 0)], &[]);
        check(&[], &[listener(1, 80, 1)], &[]);
        check(&[(10, 80)], &[listener(1, 80, 2)], &[]);
    }
}
