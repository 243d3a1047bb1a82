//! Does the tracer count every contact of a day on each phone, as a Prometheus on this machine sees it, and show it by itself?

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::boot::{Phone, folder};
use super::compare::compare;
use super::contacts::{self, Contacts};
use super::day::{Day, TIMES};
use super::doctor;
use super::emulator::free_port;
use super::figures::figures;
use super::image::Programs;
use super::inside::{NETD, ZYGOTE};
use super::models::{MODELS, Model};
use super::names;
use super::play::tell;
use super::prometheus::Prometheus;
use crate::android::adb::Adb;
use crate::android::device::Device;
use crate::android::forward::{self, Wish};
use crate::android::root::Root;
use crate::android::start::Before;
use crate::android::{self, push, start, stop};
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::plan::Scope;
use crate::plan::verdict::{Results, TestResult, Verdict};
use crate::pool::Job;

/// Half a day, on an emulated phone, on a machine with others.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// What the table of results calls it.
const DAY: &str = "phone::a_day";
/// What the binary may have on disk, in bytes.
const SIZE: u64 = 8_500_000;

/// An adb server of our own, so that nobody's devices are in it and ours in nobody's.
struct Server(Adb);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.run(&["kill-server"]);
    }
}

/// What the phones are proved with.
pub struct Proof<'cache> {
    server: Server,
    cache: &'cache Cache,
    programs: Programs,
    binary: PathBuf,
    scope: Scope,
}

impl<'cache> Proof<'cache> {
    /// The long run has the binary that is shipped, a whole day, and what the tracer takes at its end; the short one has the
    /// binary of the tests and a day with each contact once.
    pub fn prepare(cache: &'cache Cache, scope: Scope) -> Result<Self> {
        Adb::ready()?;
        let (binary, programs) = match scope {
            Scope::Short => (
                build::tests_dir(Architecture::Arm).join("tracer"),
                Programs::built(cache)?,
            ),
            Scope::Long => (shipped()?, Programs::build(cache)?),
        };
        Ok(Self {
            server: Server(Adb {
                server: Some(free_port()?),
            }),
            cache,
            programs,
            binary,
            scope,
        })
    }

    /// A job for each phone, or for the one that is named.
    pub fn jobs(&self, named: Option<&'static Model>) -> Vec<Job<'_>> {
        MODELS
            .iter()
            .filter(|model| named.is_none_or(|named| named.name == model.name))
            .map(|model| -> Job { Box::new(move || (model.name.to_owned(), self.report(model))) })
            .collect()
    }

    fn report(&self, model: &Model) -> Results {
        let start = Instant::now();
        let end =
            Phone::start(model, &self.programs, self.cache, &self.server.0).and_then(|phone| {
                let end = self.prove(model, &phone.device);
                if end.is_err() {
                    let root = Root::gain(&phone.device);
                    let log = root.and_then(|_| android::logs::logs(&phone.device));
                    let log = log.unwrap_or_default();
                    eprintln!("{}: the tracer said:\n{log}", model.name);
                }
                end
            });
        let seconds = start.elapsed().as_secs_f64();
        let verdict = match end {
            Ok(said) => {
                eprintln!("ok     {seconds:>6.1} s  {}: {said}", model.name);
                Verdict::Ok
            }
            Err(error) => {
                eprintln!("FAILED {seconds:>6.1} s  {}: {error:#}", model.name);
                Verdict::Failed(format!("{error:#}"))
            }
        };
        let mut results = Results {
            tests: vec![TestResult {
                test: DAY.to_owned(),
                verdict,
                seconds,
            }],
            is_complete: true,
        };
        results.judge(model.name);
        results
    }

    fn prove(&self, model: &Model, device: &Device) -> Result<String> {
        push::push(device, &self.binary)?;
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
        let day = Day::new(match self.scope {
            Scope::Short => 1,
            Scope::Long => TIMES,
        });
        let mut seen = Contacts::default();
        let mut play = |half: &[String]| -> Result<u64> {
            let mut made = 0;
            for (at, lines) in half.chunks(day.at_a_time()).enumerate() {
                // Not at noon: who gets somebody else's uid then shall find what is not read yet.
                if at > 0 {
                    seen.read(started.port)?;
                }
                made += count(&tell(device, root, ZYGOTE, lines)?);
            }
            Ok(made)
        };
        let mut made = play(&day.morning)?;
        // Where it found one of its places taken it would end, and Android with it.
        netd("restart").context("netd, when it starts again")?;
        made += play(&day.evening)?;
        netd("check").context("netd, after the day")?;
        ensure!(
            made == day.total(),
            "{made} of {} contacts were made",
            day.total()
        );
        compare(&prometheus, &day.truth)?;
        drop(prometheus);
        seen.read_to_the_end(started.port)?;
        contacts::compare(&seen.tally(), &day.truth).context("/api/v1/contacts")?;

        let named = names::prove(model, device, root, started.port)?;
        let figures = match self.scope {
            Scope::Short => String::new(),
            Scope::Long => figures(device, root)?,
        };
        ensure!(stop::stop(device)?, "it did not run any more");
        ensure!(forward::existing(device)?.is_none(), "a forward stays");
        netd("check").context("netd, after the end")?;
        Ok(format!(
            "{made} contacts of a day, each under its app, user and destination, and each shown by itself; {named} by name {figures}"
        ))
    }
}

/// The static binary as it is shipped, which may be so large.
fn shipped() -> Result<PathBuf> {
    let binary = android::build::build_one(Architecture::Arm)?;
    let size = fs::metadata(&binary).context("the binary's size")?.len();
    ensure!(
        size < SIZE,
        "the binary has {size} bytes, {SIZE} are allowed"
    );
    Ok(binary)
}

/// The numbers in the answers.
fn count(answers: &[String]) -> u64 {
    let number = |line: &String| line.strip_prefix("ok")?.trim().parse::<u64>().ok();
    answers.iter().filter_map(number).sum()
}
