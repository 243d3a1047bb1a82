//! What does a datagram, or a segment of TCP, take longer, while the tracer counts both ends?
//!
//! One load generator sends in short rounds over the same two sockets all the time: another process, or other sockets, would
//! lie elsewhere in memory, which changes more than what is asked for. Of the rounds of a phase the fastest tenth is taken:
//! whatever else the machine does makes rounds slower and never faster. A phase with a watcher is compared with those before
//! and after it.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::floor::{CGROUP_SKB, Floor};
use super::pairs::{figure, median};
use super::process::Guarded;
use super::runs::{Clock, Runs};
use super::table;
use super::tracers::Tracer;
use super::{Bench, SETTLE};

/// Goal, in microseconds: what a datagram may take longer at each of its ends.
const GOAL: f64 = 0.15;
/// Datagrams in a round: some milliseconds.
const ROUND: u32 = 2_000;
/// Rounds in a phase: less than the two seconds after which a flow is on the tracer's fast path.
const ROUNDS: usize = 120;
const QUICK_ROUNDS: usize = 40;
/// Seconds after which a flow is surely there: it has lasted for two, and the next tick has come.
const LASTED: u32 = 4;

/// Who watches in the middle phase of three.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    /// Nobody: what is measured then is noise.
    Nobody,
    /// Programs that do nothing.
    Floor,
    /// The tracer, from the flow's first second on.
    Tracer,
    /// The tracer, once the flow has lasted.
    Lasting,
}

impl Watcher {
    const ALL: [Self; 4] = [Self::Nobody, Self::Floor, Self::Tracer, Self::Lasting];

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nothing (noise)",
            Self::Floor => "empty programs (floor)",
            Self::Tracer => "tracer",
            Self::Lasting => "tracer, flow that lasts",
        }
    }

    /// Watches until what is returned is dropped.
    fn begin(self, bench: &Bench) -> Result<(Option<Floor>, Option<Tracer>)> {
        Ok(match self {
            Self::Nobody => (None, None),
            Self::Floor => (Some(Floor::attach()?), None),
            Self::Tracer | Self::Lasting => (None, Some(Tracer::start(bench)?)),
        })
    }
}

/// Goal, in microseconds: for how much longer than an empty program one may run for a packet behind the part of a stream in which names are
/// looked for.
const SEGMENT_GOAL: f64 = 0.01;

/// A load generator that sends when it is asked to.
struct Session {
    rounds: usize,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
    _process: Guarded,
}

impl Session {
    fn start(bench: &Bench, protocol: &str) -> Result<Self> {
        let mut command = Command::new(&bench.workload);
        command
            .args("--deadline 3600 loopback --bytes 100 --rounds".split(' '))
            .args(["--protocol", protocol])
            .args(["--times", &ROUND.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Guarded::start(&mut command)?;
        let (asked, said) = process.pipes().context("the load generator's pipes")?;
        Ok(Self {
            rounds: if bench.quick { QUICK_ROUNDS } else { ROUNDS },
            asked,
            said: BufReader::new(said),
            _process: process,
        })
    }

    /// Microseconds on a processor, of one datagram.
    fn round(&mut self) -> Result<f64> {
        self.asked.write_all(b"\n").context("ask for a round")?;
        let mut line = String::new();
        self.said.read_line(&mut line).context("hear of a round")?;
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let nanoseconds = said["nanoseconds"]
            .as_f64()
            .context("the time of a round")?;
        Ok(nanoseconds / 1000.0 / f64::from(ROUND))
    }

    fn phase(&mut self) -> Result<f64> {
        let mut rounds = (0..self.rounds)
            .map(|_| self.round())
            .collect::<Result<Vec<f64>>>()?;
        rounds.sort_by(f64::total_cmp);
        Ok(rounds[rounds.len() / 10])
    }

    /// Without, and with the watcher.
    fn compare(&mut self, bench: &Bench, watcher: Watcher) -> Result<(f64, f64)> {
        let before = self.phase()?;
        let watching = watcher.begin(bench)?;
        if watcher == Watcher::Lasting {
            for _ in 0..LASTED {
                self.round()?;
                thread::sleep(Duration::from_secs(1));
            }
        }
        let with = self.phase()?;
        drop(watching);
        thread::sleep(SETTLE);
        Ok((f64::midpoint(before, self.phase()?), with))
    }
}

/// Each datagram has two ends, and both are here.
pub fn datagrams(bench: &Bench) -> Result<()> {
    let mut session = Session::start(bench, "udp")?;
    // The first finds caches and the processor's clock cold. The others go in turns, so that all see the same machine.
    session.phase()?;
    let mut all = Watcher::ALL.map(|watcher| (watcher, Vec::new()));
    for _ in 0..bench.pairs {
        for (watcher, pairs) in &mut all {
            pairs.push(session.compare(bench, *watcher)?);
        }
    }
    for (watcher, pairs) in all {
        let (added, note) = figure(&pairs, |(without, with)| (with - without) / 2.0);
        let base = median(pairs.iter().map(|(without, _)| *without).collect());
        let what = format!("added per UDP datagram and end, {}", watcher.name());
        let note = format!("{note}; a datagram takes {base:.2} µs untraced");
        if watcher == Watcher::Lasting {
            table::judged(&what, added, GOAL, "µs", &note);
        } else {
            table::figure(&what, added, "µs", &note);
        }
    }
    Ok(())
}

/// Segments far behind the first 16 KB of their stream, and their acknowledgements: how long the tracer's programs run for each packet at
/// either end, and how long empty ones do for the same packets.
pub fn segments(bench: &Bench) -> Result<()> {
    let mut session = Session::start(bench, "tcp")?;
    session.phase()?;
    let tracer = Tracer::start(bench)?;
    let _floor = Floor::attach()?;
    let _clock = Clock::start()?;
    let both = || -> Result<[Runs; 2]> {
        let of = |process| Runs::of(process, CGROUP_SKB);
        Ok([of(std::process::id())?, of(tracer.id())?])
    };
    let mut pairs = Vec::new();
    for _ in 0..bench.pairs.max(5) {
        let before = both()?;
        session.phase()?;
        let after = both()?;
        let each = |at: usize| after[at].each_since(before[at]);
        let empty = each(0).context("no packet passed an empty program")?;
        let Some(tracer) = each(1) else {
            table::fact("added per TCP packet: none here, where kprobes look for names");
            return Ok(());
        };
        pairs.push((empty, tracer));
    }
    let (added, note) = figure(&pairs, |(empty, tracer)| (tracer - empty) / 1000.0);
    let empty = median(pairs.iter().map(|(empty, _)| *empty).collect());
    table::judged(
        "added per TCP packet behind 16 KB, over empty programs",
        added,
        SEGMENT_GOAL,
        "µs",
        &format!("{note}; an empty one takes {empty:.0} ns, with the clock"),
    );
    Ok(())
}
