//! `storm`: each thread connects, accepts and resets as fast as it can.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write, stdout};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::arguments::Storm;
use crate::connect::share;
use crate::named::hello_to;
use crate::session::attempt_from;
use crate::socket;
use crate::truth::Truth;

/// Where `--destinations` starts; far from the 127.0.0.x of others.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 0);

/// Where `--sources` starts.
const FIRST_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 0);

/// What one thread does.
struct Part {
    /// Accepts what this thread connects; without it `serve` does.
    listener: Option<TcpListener>,
    /// Taken in turns.
    destinations: Vec<SocketAddr>,
    /// Taken in turns as well; without any the kernel chooses.
    sources: Vec<Ipv4Addr>,
    times: u64,
    until: Option<Instant>,
    /// Names that hellos say, in turns; none where nothing is said.
    names: u64,
    /// Between two connects.
    pause: Option<Duration>,
}

pub fn run(arguments: &Storm) -> Result<()> {
    let parts = (0..arguments.threads)
        .map(|index| part(arguments, index))
        .collect::<Result<Vec<_>>>()?;
    let truths = thread::scope(|scope| {
        let mut running = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let thread = thread::Builder::new().name(format!("storm-{index}"));
            running.push(
                thread
                    .spawn_scoped(scope, || rage(part))
                    .context("start a thread")?,
            );
        }
        running
            .into_iter()
            .map(|thread| thread.join().expect("a storm does not panic"))
            .collect::<Result<Vec<_>>>()
    })?;
    let mut destinations: BTreeMap<SocketAddr, Truth> = BTreeMap::new();
    for (part, truths) in parts.iter().zip(&truths) {
        for (destination, truth) in part.destinations.iter().zip(truths) {
            destinations.entry(*destination).or_default().add(truth);
        }
    }
    let mut output = BufWriter::new(stdout().lock());
    for (destination, truth) in &destinations {
        writeln!(output, "{}", truth.line(*destination)).context("print")?;
    }
    output.flush().context("print")
}

fn part(arguments: &Storm, index: u64) -> Result<Part> {
    let mut part = Part {
        listener: None,
        destinations: arguments.to.clone(),
        sources: (index as u32..arguments.sources.unwrap_or(0))
            .step_by(arguments.threads as usize)
            .map(|offset| Ipv4Addr::from_bits(FIRST_SOURCE.to_bits() + offset))
            .collect(),
        times: arguments
            .times
            .map_or(u64::MAX, |times| share(times, index, arguments.threads)),
        until: arguments
            .seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        names: arguments.names.unwrap_or(0).into(),
        pause: arguments
            .pace
            .map(|pace| Duration::from_secs_f64(arguments.threads as f64 / pace as f64)),
    };
    if arguments.to.is_empty() {
        let port = arguments.port.map_or(0, |port| port + index as u16);
        let home = if arguments.destinations.is_some() {
            Ipv4Addr::UNSPECIFIED
        } else {
            Ipv4Addr::LOCALHOST
        };
        let listener = socket::listen((home, port).into())?;
        let port = listener
            .local_addr()
            .context("the listener's address")?
            .port();
        part.listener = Some(listener);
        part.destinations = match arguments.destinations {
            None => vec![(home, port).into()],
            Some(count) => (index as u32..count)
                .step_by(arguments.threads as usize)
                .map(|offset| (Ipv4Addr::from_bits(FIRST.to_bits() + offset), port).into())
                .collect(),
        };
    }
    Ok(part)
}

/// The truth for each destination of the part.
fn rage(part: &Part) -> Result<Vec<Truth>> {
    let mut truths: Vec<_> = part.destinations.iter().map(|_| Truth::default()).collect();
    let start = Instant::now();
    let turns = (0..part.destinations.len()).cycle();
    for (round, turn) in (0..part.times).zip(turns) {
        if part.until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        if let Some(pause) = part.pause {
            let due = start + pause.mul_f64(round as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let source = part.sources.get(round as usize % part.sources.len().max(1));
        let connected = attempt_from(source, part.destinations[turn], &mut truths[turn])?;
        let Some(mut stream) = connected else {
            continue;
        };
        if part.names > 0 {
            let name = format!("n{}.storm.example", round % part.names);
            let hello = hello_to(&name);
            stream.write_all(&hello).context("send")?;
            truths[turn].sent += hello.len() as u64;
        }
        let accepted = part
            .listener
            .as_ref()
            .map(TcpListener::accept)
            .transpose()
            .context("accept")?;
        socket::reset_on_close(&stream)?;
        drop(stream);
        // After the reset, so that this end keeps no time-wait either.
        drop(accepted);
    }
    Ok(truths)
}
