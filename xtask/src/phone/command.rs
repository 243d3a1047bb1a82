//! What can be asked of the phone on the command line?

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::boot::{Phone, folder};
use super::image::Programs;
use super::models::{MODELS, Model};
use super::{Proof, play, report};
use crate::android::adb::Adb;
use crate::android::device::Device;
use crate::android::forward::Wish;
use crate::android::root::Root;
use crate::android::{build, push, say, start};
use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::needs::Purpose;
use crate::plan::{Scope, table};
use crate::pool;
use crate::setup::setup;

#[derive(Args)]
pub struct Arguments {
    /// Which phone; the first of the list where none is named
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Say which phones there are
    #[arg(long)]
    list: bool,
    /// Have an app of this name make contacts: on the phone that is on, else on one that is switched on for it
    #[arg(long, value_name = "PACKAGE", requires = "connect")]
    app: Option<String>,
    /// Whom it contacts; answered are the ports 80, 443, 853 and 5228 of every address
    #[arg(long, value_name = "ADDR:PORT", requires = "app")]
    connect: Option<String>,
    /// How often
    #[arg(long, default_value_t = 1)]
    times: u32,
    /// Prove on each phone, or on the one that is named, that every contact of a day is counted, and shown by itself
    #[arg(long, conflicts_with = "app")]
    test: bool,
}

pub fn phone(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for model in MODELS {
            say(None, model.name);
        }
        return Ok(());
    }
    let named = arguments.model.as_deref().map(model).transpose()?;
    if arguments.test {
        return prove(named);
    }
    let model = named.unwrap_or(&MODELS[0]);
    match (&arguments.app, &arguments.connect) {
        (Some(app), Some(to)) => play_app(model, app, to, arguments.times),
        _ => run(model),
    }
}

/// As the long run of the tests does.
fn prove(named: Option<&'static Model>) -> Result<()> {
    setup(Purpose::Test)?;
    let cache = Cache::open()?;
    let proof = Proof::prepare(&cache, Scope::Long)?;
    match table::show(&pool::run(
        proof.jobs(named),
        MODELS.len(),
        &AtomicBool::new(false),
    )) {
        0 => Ok(()),
        count => bail!(
            "{count} phones failed\nhint: what they said is in {}",
            folder()?.display()
        ),
    }
}

fn model(name: &str) -> Result<&'static Model> {
    match MODELS.iter().find(|model| model.name == name) {
        Some(model) => Ok(model),
        None => bail!("there is no phone {name}\nhint: cargo xtask phone --list"),
    }
}

/// A file with the serial of the phone that is on.
fn note() -> Result<PathBuf> {
    Ok(folder()?.join("serial"))
}

/// Switches a phone on, starts the tracer on it, and leaves both until it is switched off.
fn run(model: &Model) -> Result<()> {
    let (mut phone, started) = boot(model)?;
    let note = note()?;
    fs::write(&note, &phone.device.serial).with_context(|| format!("write {}", note.display()))?;
    eprintln!(
        "phone: {} is on; adb -s {} shell; Ctrl-C switches it off",
        model.name, phone.device.serial
    );
    eprintln!(
        "hint: cargo xtask phone --app com.example.app --connect 203.0.113.7:443 --times 3, in another terminal"
    );
    say(None, &started);
    let end = phone.emulator.join();
    let _ = fs::remove_file(&note);
    end
}

fn boot(model: &Model) -> Result<(Phone, String)> {
    setup(Purpose::Vm)?;
    let adb = Adb::ready()?;
    let cache = Cache::open()?;
    let binary = build::build_one(Architecture::Arm)?;
    let programs = Programs::build(&cache)?;
    eprintln!("phone: switching {} on", model.name);
    let phone = Phone::start(model, &programs, &cache, &adb)?;
    push::push(&phone.device, &binary)?;
    let started = start::start(&phone.device, Wish::default(), &[])?;
    Ok((phone, started.address()))
}

fn play_app(model: &Model, app: &str, to: &str, times: u32) -> Result<()> {
    let (_phone, device) = if let Some(device) = running()? {
        (None, device)
    } else {
        let (phone, _) = boot(model)?;
        let device = phone.device.clone();
        (Some(phone), device)
    };
    let root = Root::gain(&device)?;
    let started = start::start(&device, Wish::default(), &[])?;
    play::play(&device, root, app, to, times)?;
    for line in report::of_app(started.port, app)? {
        say(None, &line);
    }
    Ok(())
}

/// The phone that is on, if one is.
fn running() -> Result<Option<Device>> {
    let Ok(serial) = fs::read_to_string(note()?) else {
        return Ok(None);
    };
    let device = Device::new(Adb::ready()?, serial.trim());
    let answers = device.shell("true").is_ok_and(|output| output.is_success());
    Ok(answers.then_some(device))
}
