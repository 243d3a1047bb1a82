//! Does the tracer count every contact of a day on each phone, as a Prometheus on this machine sees it?

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::boot::{Phone, folder};
use super::compare::compare;
use super::day::Day;
use super::doctor;
use super::emulator::free_port;
use super::figures::figures;
use super::image::Programs;
use super::inside::{NETD, ZYGOTE};
use super::models::{MODELS, Model};
use super::play::tell;
use super::prometheus::Prometheus;
use crate::android::adb::Adb;
use crate::android::device::Device;
use crate::android::forward::{self, Wish};
use crate::android::root::Root;
use crate::android::start::Before;
use crate::android::{build, push, start, stop};
use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::needs::Purpose;
use crate::setup::setup;

/// Half a day, on an emulated phone, on a machine with others.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// What the binary may have on disk, in bytes.
const SIZE: u64 = 6_000_000;

/// An adb server of our own, so that nobody's devices are in it and ours in nobody's.
struct Server(Adb);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.run(&["kill-server"]);
    }
}

/// Proves it on the phone that is named, else on all.
pub fn prove_all(named: Option<&'static Model>) -> Result<()> {
    setup(Purpose::Test)?;
    Adb::ready()?;
    let server = Server(Adb {
        server: Some(free_port()?),
    });
    let cache = Cache::open()?;
    let binary = build::build_one(Architecture::Arm)?;
    let size = fs::metadata(&binary).context("the binary's size")?.len();
    ensure!(
        size < SIZE,
        "the binary has {size} bytes, {SIZE} are allowed"
    );
    let programs = Programs::build(&cache)?;
    let models: Vec<&Model> = MODELS
        .iter()
        .filter(|model| named.is_none_or(|named| named.name == model.name))
        .collect();
    let failed = thread::scope(|scope| {
        let (adb, cache, programs, binary) = (&server.0, &cache, &programs, &binary);
        let threads: Vec<_> = models
            .iter()
            .map(|model| scope.spawn(|| report(model, adb, cache, programs, binary)))
            .collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(false));
        ends.filter(|good| !good).count()
    });
    if failed > 0 {
        bail!(
            "{failed} of {} phones failed\nhint: what they said is in {}",
            models.len(),
            folder()?.display()
        );
    }
    Ok(())
}

fn report(model: &Model, adb: &Adb, cache: &Cache, programs: &Programs, binary: &Path) -> bool {
    let start = Instant::now();
    let end = Phone::start(model, programs, cache, adb).and_then(|phone| {
        let end = prove(model, &phone.device, binary);
        if end.is_err() {
            let root = Root::gain(&phone.device);
            let log = root.and_then(|_| crate::android::logs::logs(&phone.device));
            eprintln!(
                "{}: the tracer said:\n{}",
                model.name,
                log.unwrap_or_default()
            );
        }
        end
    });
    let seconds = start.elapsed().as_secs_f64();
    match &end {
        Ok(said) => eprintln!("ok     {seconds:>6.1} s  {}: {said}", model.name),
        Err(error) => eprintln!("FAILED {seconds:>6.1} s  {}: {error:#}", model.name),
    }
    end.is_ok()
}

fn prove(model: &Model, device: &Device, binary: &Path) -> Result<String> {
    push::push(device, binary)?;
    doctor::without_root(device)?;
    let root = Root::gain(device)?;
    doctor::with_root(model, device, root)?;
    let wish = Wish {
        from: free_port()?,
        is_exact: false,
    };
    let started = start::start(device, wish, &[])?;
    ensure!(started.before == Before::Nothing, "it ran before");
    ensure!(
        start::start(device, wish, &[])?.before == Before::Running,
        "it was started twice"
    );
    let netd = |line: &str| tell(device, root, NETD, &[line.to_owned()]);
    netd("check").context("netd, after the start")?;

    let prometheus = Prometheus::start(&folder()?, started.port)?;
    let day = Day::new();
    let mut made = count(&tell(device, root, ZYGOTE, &day.morning)?);
    // Where it found one of its places taken it would end, and Android with it.
    netd("restart").context("netd, when it starts again")?;
    made += count(&tell(device, root, ZYGOTE, &day.evening)?);
    netd("check").context("netd, after the day")?;
    ensure!(
        made == day.total(),
        "{made} of {} contacts were made",
        day.total()
    );
    compare(&prometheus, &day)?;
    drop(prometheus);

    let figures = figures(device, root)?;
    ensure!(stop::stop(device)?, "it did not run any more");
    ensure!(forward::existing(device)?.is_none(), "a forward stays");
    netd("check").context("netd, after the end")?;
    Ok(format!(
        "{made} contacts of a day, each under its app, user and destination; {figures}"
    ))
}

/// The numbers in the answers.
fn count(answers: &[String]) -> u64 {
    let number = |line: &String| line.strip_prefix("ok")?.trim().parse::<u64>().ok();
    answers.iter().filter_map(number).sum()
}
