//! What does the process take: processor, memory, a scrape, a start?

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Bench;
use super::pairs::median;
use super::process::{self, Guarded, usage};
use super::storm::Storm;
use super::table;
use super::tracers::Tracer;

const MEGABYTE: f64 = 1e6;
/// More than any count below: nothing is folded.
const UNFOLDED: [&str; 2] = ["--max-destinations-per-app", "200000"];

pub fn measure(bench: &Bench) -> Result<()> {
    start(bench)?;
    idle(bench)?;
    busy(bench)?;
    named(bench)?;
    few(bench)?;
    names(bench)?;
    // Five series a destination.
    scrapes(bench, 20_000, "100,000 series")?;
    scrapes(bench, 100_000, "500,000 series")
}

fn start(bench: &Bench) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..if bench.quick { 3 } else { 10 } {
        times.push(Tracer::start(bench)?.start.as_secs_f64() * 1000.0);
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    table::judged(
        "start to the first answered scrape",
        median(times),
        150.0,
        "ms",
        &format!("the slowest took {slowest:.0} ms"),
    );
    Ok(())
}

fn idle(bench: &Bench) -> Result<()> {
    let tracer = Tracer::start(bench)?;
    settle();
    let (share, switches) = share_of_a_core(&tracer, if bench.quick { 5 } else { 20 })?;
    table::judged(
        "CPU while idle",
        share,
        0.05,
        "%",
        &format!("of one core; {switches:.1} context switches a second"),
    );
    table::figure(
        "resident memory while idle",
        usage(tracer.id())?.resident as f64 / MEGABYTE,
        "MB",
        "",
    );
    Ok(())
}

fn busy(bench: &Bench) -> Result<()> {
    let tracer = Tracer::start(bench)?;
    let storm = Storm {
        threads: 1,
        connections: 0,
        destinations: 0,
        names: 0,
    };
    let load = storm.paced(bench, Some(10_000))?;
    settle();
    let (share, switches) = share_of_a_core(&tracer, if bench.quick { 3 } else { 10 })?;
    drop(load);
    table::judged(
        "CPU at 10,000 connects a second",
        share,
        2.0,
        "%",
        &format!("of one core; {switches:.1} context switches a second"),
    );
    Ok(())
}

/// Connections that each say one of a thousand names.
fn named(bench: &Bench) -> Result<()> {
    let tracer = Tracer::start(bench)?;
    let storm = Storm {
        threads: 1,
        connections: 0,
        destinations: 0,
        names: 1_000,
    };
    let load = storm.paced(bench, Some(10_000))?;
    settle();
    let (share, switches) = share_of_a_core(&tracer, if bench.quick { 3 } else { 10 })?;
    drop(load);
    settle();
    let said = tracer.scrape()?;
    let lost = said.sum("tracer_lost_total{stage=\"kernel\",reason=\"names_full\"}")
        + said.sum("tracer_lost_total{stage=\"name\",reason=\"no_room\"}");
    let found = said.sum("tracer_name_source_total{source=\"sni\"}");
    table::judged(
        "CPU at 10,000 named TLS connections a second",
        share,
        5.0,
        "%",
        &format!(
            "of one core; {switches:.1} context switches a second; {found} names, {lost} lost"
        ),
    );
    Ok(())
}

/// An app that went to a hundred thousand names.
fn names(bench: &Bench) -> Result<()> {
    const NAMES: u64 = 100_000;
    let tracer = Tracer::start_with(bench, &UNFOLDED)?;
    let storm = Storm {
        threads: 1,
        connections: 0,
        destinations: 0,
        names: NAMES,
    };
    let load = storm.paced(bench, None)?;
    await_rows(&tracer, NAMES)?;
    load.signal(libc::SIGSTOP);
    settle();
    tracer.scrape()?;
    table::judged(
        "resident memory, 100,000 named destinations, after scrapes",
        usage(tracer.id())?.resident as f64 / MEGABYTE,
        45.0,
        "MB",
        "",
    );
    drop(load);
    Ok(())
}

fn few(bench: &Bench) -> Result<()> {
    let tracer = Tracer::start_with(bench, &UNFOLDED)?;
    let alive = contacts(bench, &tracer, 1_000)?;
    tracer.scrape()?;
    table::judged(
        "resident memory, 1,000 destinations, after scrapes",
        usage(tracer.id())?.resident as f64 / MEGABYTE,
        15.0,
        "MB",
        "",
    );
    drop(alive);
    Ok(())
}

fn scrapes(bench: &Bench, destinations: u64, name: &str) -> Result<()> {
    let tracer = Tracer::start_with(bench, &UNFOLDED)?;
    let alive = contacts(bench, &tracer, destinations)?;
    settle();
    series(bench, &tracer, destinations, name)?;
    drop(alive);
    Ok(())
}

fn series(bench: &Bench, tracer: &Tracer, destinations: u64, name: &str) -> Result<()> {
    process::forget_peak(tracer.id())?;
    let before = usage(tracer.id())?;
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let mut note = String::new();
    for _ in 0..if bench.quick { 3 } else { 9 } {
        let began = process::cpu_ns(tracer.id())?;
        let answer = tracer.scrape()?;
        // The answer is complete before its writer has put everything away.
        thread::sleep(Duration::from_millis(20));
        cpu.push((process::cpu_ns(tracer.id())? - began) as f64 / 1e6);
        wall.push(answer.wall.as_secs_f64() * 1000.0);
        note = format!(
            "{} series, {:.1} MB of text",
            answer.series(),
            answer.length() as f64 / MEGABYTE
        );
    }
    let after = usage(tracer.id())?;
    let scale = destinations as f64 / 20_000.0;
    table::judged(
        &format!("CPU of a scrape, {name}"),
        median(cpu),
        40.0 * scale,
        "ms",
        &note,
    );
    table::figure(
        &format!("wall time of a scrape, {name}"),
        median(wall),
        "ms",
        "",
    );
    table::judged(
        &format!("extra peak memory of scrapes, {name}"),
        (after.peak.saturating_sub(before.resident)) as f64 / MEGABYTE,
        16.0,
        "MB",
        "",
    );
    let what = format!("resident memory after scrapes, {name}");
    let resident = after.resident as f64 / MEGABYTE;
    table::judged(
        &what,
        resident,
        40.0,
        "MB",
        &format!(
            "{:.1} MB before, {:.1} MB at the most",
            before.resident as f64 / MEGABYTE,
            after.peak as f64 / MEGABYTE
        ),
    );
    Ok(())
}

/// An app that contacted so many destinations and stands still since.
fn contacts(bench: &Bench, tracer: &Tracer, destinations: u64) -> Result<Guarded> {
    let storm = Storm {
        threads: 1,
        connections: 0,
        destinations,
        names: 0,
    };
    let load = storm.paced(bench, None)?;
    await_rows(tracer, destinations)?;
    load.signal(libc::SIGSTOP);
    Ok(load)
}

fn await_rows(tracer: &Tracer, destinations: u64) -> Result<()> {
    let start = Instant::now();
    loop {
        // Longer than a tick of the tracer: what it does by itself must not depend on how often it is asked.
        thread::sleep(Duration::from_millis(1_500));
        let rows = tracer.scrape()?.rows();
        if rows >= destinations {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(60) {
            bail!("{rows} rows are shown instead of {destinations}");
        }
    }
}

/// Percent of one core over the seconds to come, and context switches a second.
fn share_of_a_core(tracer: &Tracer, seconds: u64) -> Result<(f64, f64)> {
    let before = usage(tracer.id())?;
    thread::sleep(Duration::from_secs(seconds));
    let after = usage(tracer.id())?;
    Ok((
        (after.cpu_ns - before.cpu_ns) as f64 / (seconds as f64 * 1e9) * 100.0,
        (after.switches - before.switches) as f64 / seconds as f64,
    ))
}

/// Two of the tracer's ticks: what it still does about what happened is done then.
fn settle() {
    thread::sleep(Duration::from_millis(2_500));
}
