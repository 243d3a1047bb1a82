//! What does the tracer say of an app that talks to several companies? A phone and an internet of the demo's own, with the hosts that
//! public reports name for one real app, and everything compared with what the clients count themselves.

mod child;
mod compare;
mod counts;
mod folder;
mod hosts;
mod paragraph;
mod place;
mod play;
mod seen;
mod servers;
mod stage;
mod stop;
mod table;
mod told;

use std::collections::BTreeMap;
use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::counts::Counts;
use self::place::Place;
use self::play::Truth;
use self::stage::{App, DEEPSEEK, WEATHER};
use self::told::Tracer;
use crate::series::Series;
use crate::{build, ebpf, live, setup, step};

#[derive(Args)]
pub struct Arguments {
    /// The tracer, where it is built already
    #[arg(long, hide = true, value_name = "FILE")]
    tracer: Option<PathBuf>,
}

const INTRODUCTION: &str = "These host names stand in public reports about the app. Nobody real is contacted: the phone, the addresses (of \
    documentation), and who talks how often, how much and over what are the demo's own. It has no alias, network or country of these \
    names, so none is told. Who reports them:";
const NUMBERS: &str = "Counts are the stage's, as the tracer saw it. Owners, platforms and parents are what the tracer's built-in tables say of \
    the names:";

const APPS: [&App; 2] = [&DEEPSEEK, &WEATHER];

/// Builds the tracer as it is shipped, and shows it as root.
pub fn demo(arguments: &Arguments) -> Result<()> {
    let tracer = if let Some(tracer) = &arguments.tracer {
        tracer.clone()
    } else {
        setup::setup_demo()?;
        build::build(true)?
    };
    if step::is_root() {
        return show(&tracer);
    }
    let Some(sudo) = ebpf::find_program("sudo") else {
        bail!("the demo needs root, and there is no sudo\nhint: as root, run cargo xtask demo");
    };
    eprintln!("the demo needs root: starting it through sudo");
    Err(again(Command::new(sudo).arg(itself()?), &tracer).exec()).context("start sudo")
}

/// The demo as a test of a tracer: it fails with all it said where anything is not as the clients say.
pub fn check(tracer: &Path) -> Result<()> {
    let mut command = live::as_root(&itself()?)?;
    let output = again(&mut command, tracer)
        .output()
        .context("start the demo")?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stdout));
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("the demo failed");
    }
    Ok(())
}

fn itself() -> Result<PathBuf> {
    env::current_exe().context("where this program is")
}

fn again<'a>(command: &'a mut Command, tracer: &Path) -> &'a mut Command {
    command.arg("demo").arg("--tracer").arg(tracer)
}

/// Plays the stage, prints what the tracer says, and fails where that is not what the clients say.
fn show(tracer: &Path) -> Result<()> {
    stop::listen();
    say(&table::wrapped(INTRODUCTION));
    for report in hosts::reports() {
        say(&format!("  {report}"));
    }
    let place = Place::new()?;
    let _servers = servers::start(&place)?;
    let tracer = Tracer::start(tracer, &place, &APPS)?;
    let truth = play::play(&place)?;
    let metrics = tracer.metrics(&APPS)?;
    let lost = metrics
        .iter()
        .filter(|series| series.family == "tracer_lost_total");
    let lost = lost.map(|series| series.value).sum();
    let mut wrong = differences(&truth, &metrics)?;
    let mut singly = BTreeMap::new();
    let mut seen = Vec::new();
    for app in APPS {
        let contacts = tracer.contacts(app)?;
        for contact in &contacts {
            let sum: &mut Counts = singly.entry(contact.key.clone()).or_default();
            *sum += contact.counts;
        }
        let destinations = seen::seen(contacts);
        let table = table::table(app.name, &destinations);
        say(&format!("\n{}", table.trim_end()));
        seen.push(destinations);
    }
    wrong.extend(compare::differences(
        "one by one,",
        &truth.contacts,
        &singly,
    ));
    let on_stage = format!("On the demo's stage {}", DEEPSEEK.name);
    let paragraph = format!(
        "{} {}",
        paragraph::paragraph(&on_stage, &seen[0], lost),
        paragraph::beside(WEATHER.name, &seen[1], &seen[0])
    );
    say(&format!("\n{}\n", table::wrapped(NUMBERS)));
    say(&format!("{}\n", table::wrapped(&paragraph)));
    if lost > 0 {
        wrong.push(format!(
            "tracer_lost_total is {lost}, not 0\nhint: it is of all programs of this machine; try again when they do less"
        ));
    }
    if !wrong.is_empty() {
        bail!(
            "the tracer says otherwise than the clients:\n{}",
            wrong.join("\n")
        );
    }
    say(&table::wrapped(&equal(&truth)));
    Ok(())
}

/// In what the metrics are not as they should be.
fn differences(truth: &Truth, metrics: &[Series]) -> Result<Vec<String>> {
    let counted = told::counted(metrics, &APPS)?;
    let mut wrong = compare::differences("in the metrics,", &truth.contacts, &counted);
    let [calls, questions] = ["getaddrinfo", "dns"].map(|via| told::lookups(metrics, &APPS, via));
    // Where the kernel has uprobes, what the library asks for a call is part of that.
    let (calls_made, questions_asked) = if calls.is_empty() {
        (BTreeMap::new(), truth.questions.clone())
    } else {
        (truth.calls.clone(), BTreeMap::new())
    };
    wrong.extend(compare::differences("calls", &calls_made, &calls));
    wrong.extend(compare::differences(
        "questions",
        &questions_asked,
        &questions,
    ));
    Ok(wrong)
}

fn equal(truth: &Truth) -> String {
    let mut sum = Counts::default();
    for counts in truth.contacts.values() {
        sum += *counts;
    }
    let [contacts, sent, received] = [sum.contacts, sum.sent, sum.received].map(paragraph::number);
    format!(
        "Equal to what the clients and the name server counted themselves, by app, destination and protocol: {contacts} connections, \
         {sent} bytes sent, {received} received."
    )
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn say(text: &str) {
    println!("{text}");
}
