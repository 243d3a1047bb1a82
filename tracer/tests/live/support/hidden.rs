//! What does this kernel hide from every program of BPF?
//!
//! There are kernels that run no program at a raw tracepoint while a thread of the first process is current, and do not count that
//! as missed: seen on a 6.18 for small virtual machines, where ftrace saw sockets change their state in softirq on top of such
//! a thread, and programs at the same tracepoint did not. What comes in such a moment nobody can count. Where a kernel runs
//! them, nothing is hidden: a program of two lines tells.

use std::io;

use super::{
    counter::Counter,
    trace::{Event, Trace},
};

/// The process whose threads it is about.
const FIRST: u32 = 1;
/// Where TCP sockets change their state, and where they end.
const EVENTS: [Event; 2] = [["sock", "inet_sock_set_state"], ["tcp", "tcp_destroy_sock"]];

/// Watches what happens on top of the first process.
pub struct Hidden {
    /// Before the trace: what both see is seen.
    seen: Counter,
    trace: Trace,
}

/// The ports of a socket that changed unseen, its own and the other end's.
pub type Change = [u16; 2];

impl Hidden {
    /// Begins to watch. Needs root.
    pub fn begin() -> io::Result<Self> {
        Self::of(FIRST, FIRST)
    }

    /// The same of the threads of a process, with a program that counts on top of those of another.
    pub fn of(process: u32, counted: u32) -> io::Result<Self> {
        Ok(Self {
            seen: Counter::of_process(counted, &EVENTS.map(|[_, event]| event))?,
            trace: Trace::of(process, &EVENTS)?,
        })
    }

    /// What was hidden so far.
    pub fn changes(&self) -> Vec<Change> {
        let trace = self.trace.text();
        let lines = trace.lines().filter(|line| !line.starts_with('#'));
        let changes: Vec<Change> = lines.filter_map(ports).collect();
        if self.seen.count() >= changes.len() as u64 {
            return Vec::new();
        }
        changes
    }
}

/// Of a line of the trace: both events tell them alike.
fn ports(line: &str) -> Option<Change> {
    let port = |name: &str| line.split_once(name)?.1.split(' ').next()?.parse().ok();
    Some([port(" sport=")?, port(" dport=")?])
}
