//! What does a connect and close take longer while somebody traces it?

use anyhow::Result;

use super::Bench;
use super::pairs::Pairs;
use super::storm::Storm;
use super::table;
use super::tracers::{self, Tracer};

/// Goal, in microseconds, where the destination is known already.
const KNOWN: f64 = 0.5;
/// Goal where each is new.
const NEW: f64 = 1.0;
/// Of what tcplife adds.
const OF_TCPLIFE: f64 = 1.0 / 50.0;

/// One destination, contacted over and over.
pub fn known(bench: &Bench) -> Result<()> {
    for threads in [1, 2] {
        let storm = Storm {
            threads,
            connections: if bench.quick { 30_000 } else { 100_000 },
            destinations: 0,
            names: 0,
        };
        // The first run finds caches and the processor's clock cold.
        storm.run(bench)?;
        let (mut noise, mut tracer, mut tcplife) =
            (Pairs::default(), Pairs::default(), Pairs::default());
        for _ in 0..bench.pairs {
            let without = storm.run(bench)?;
            let attached = Tracer::start(bench)?;
            tracer.add(without, storm.run(bench)?);
            drop(attached);
            let again = storm.run(bench)?;
            noise.add(without, again);
            let attached = tracers::tcplife(bench)?;
            tcplife.add(again, storm.run(bench)?);
            drop(attached);
        }
        let what = |what| format!("added per connect+close, {threads} thread(s), {what}");
        table::figure(&what("nothing (noise)"), noise.added(), "µs", &noise.note());
        table::judged(&what("tracer"), tracer.added(), KNOWN, "µs", &tracer.note());
        table::figure(&what("tcplife"), tcplife.added(), "µs", &tcplife.note());
        table::judged(
            &what("tracer/tcplife"),
            tracer.added() / tcplife.added(),
            OF_TCPLIFE,
            "",
            "",
        );
    }
    Ok(())
}

/// Each destination once, a fresh tracer each time.
pub fn new(bench: &Bench) -> Result<()> {
    let storm = Storm {
        threads: 1,
        connections: 60_000,
        destinations: 60_000,
        names: 0,
    };
    storm.run(bench)?;
    let (mut noise, mut tracer) = (Pairs::default(), Pairs::default());
    for _ in 0..bench.pairs {
        let without = storm.run(bench)?;
        noise.add(without, storm.run(bench)?);
        let without = storm.run(bench)?;
        let attached = Tracer::start(bench)?;
        tracer.add(without, storm.run(bench)?);
        drop(attached);
    }
    let what = |what| format!("added per connect+close, every key new, {what}");
    table::figure(&what("nothing (noise)"), noise.added(), "µs", &noise.note());
    table::judged(&what("tracer"), tracer.added(), NEW, "µs", &tracer.note());
    Ok(())
}
