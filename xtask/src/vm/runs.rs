//! What is to be ready before a kernel starts, and what becomes of its tests?

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use super::binaries::{self, Binaries};
use super::guest::Choice;
use super::kernels::Kernel;
use super::machine::{End, Machine, Pace};
use super::{guest, modules, results, rootfs};
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::packages::Packages;
use crate::plan::verdict::{Results, TestResult, Verdict};
use crate::plan::{self, Scope, said, table};
use crate::pool::{self, Job};

/// How often a kernel is started that the emulator trips over.
const STARTS: u32 = 4;

pub struct Plan<'arguments> {
    pub cache: &'arguments Cache,
    pub kernels: Vec<&'static Kernel>,
    /// The tests of the plan that run; without it, those that fit `tests`.
    pub scope: Option<Scope>,
    pub shell: Option<&'arguments str>,
    pub is_bare: bool,
    pub files: &'arguments [PathBuf],
    pub limit: Duration,
    pub jobs: usize,
    pub tests: &'arguments [String],
}

/// Runs the tests, or the command, on every kernel of the plan.
pub fn runs(plan: &Plan) -> Result<()> {
    let machines = prepare(plan)?;
    if plan.shell.is_some() {
        return machines
            .iter()
            .try_for_each(|machine| run_command(machine, plan.limit));
    }
    let columns = pool::run(
        jobs(machines, plan.limit),
        plan.jobs,
        &AtomicBool::new(false),
    );
    let is_empty = columns.iter().all(|(_, results)| results.tests.is_empty());
    match table::show(&columns) {
        0 if is_empty => bail!("no test was run\nhint: is there one of this name?"),
        0 => Ok(()),
        count => bail!("{count} tests failed\nhint: {}", where_it_is_said()),
    }
}

/// Where a machine's tests, and its kernel, leave what they say.
pub fn where_it_is_said() -> String {
    format!(
        "all they said is in {}/NAME.log, and what the kernel said in NAME.console.log",
        folder().display()
    )
}

fn folder() -> PathBuf {
    build::target_dir().join("vm")
}

/// A job for each machine, which runs its tests.
pub fn jobs<'any>(machines: Vec<Machine>, limit: Duration) -> Vec<Job<'any>> {
    machines
        .into_iter()
        .map(|machine| -> Job {
            Box::new(move || (machine.kernel.name.to_owned(), run_one(&machine, limit)))
        })
        .collect()
}

/// The machines of the plan, with all that goes into them.
pub fn prepare(plan: &Plan) -> Result<Vec<Machine>> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let packages = Packages::new(plan.cache);
    let further = folder.join("files.cpio");
    let mut archive = Archive::create(&further)?;
    for file in plan.files {
        let path = fs::canonicalize(file).with_context(|| format!("read {}", file.display()))?;
        archive.copy(&path.display().to_string(), &path)?;
    }
    archive.finish()?;
    let mut machines = Vec::new();
    for architecture in [Architecture::X86, Architecture::Arm] {
        let kernels: Vec<_> = plan
            .kernels
            .iter()
            .filter(|kernel| kernel.architecture == architecture)
            .collect();
        if kernels.is_empty() {
            continue;
        }
        let mut archives = vec![
            rootfs::archive(plan.cache, &packages, architecture)?,
            further.clone(),
        ];
        let binaries = if plan.is_bare {
            None
        } else {
            let binaries = binaries::build(plan.cache, &packages, architecture)?;
            let archive = folder.join(format!("tests-{}.cpio", architecture.debian()));
            binaries.archive(&archive)?;
            archives.push(archive);
            Some(binaries)
        };
        for kernel in kernels {
            machines.push(Machine {
                kernel,
                image: modules::image(plan.cache, kernel)?,
                archives: archives.clone(),
                script: script(plan, kernel, binaries.as_ref()),
                folder: folder.clone(),
                pace: Pace::OF_TESTS,
            });
        }
    }
    Ok(machines)
}

fn script(plan: &Plan, kernel: &Kernel, binaries: Option<&Binaries>) -> String {
    match (plan.shell, binaries) {
        (Some(command), _) => guest::command(kernel, command),
        (None, Some(binaries)) => {
            let choice = match plan.scope {
                Some(scope) => Choice::Named(plan::tests_of(kernel.name, scope), scope),
                None => Choice::Fitting(plan.tests),
            };
            guest::tests(kernel, &binaries.live, &choice)
        }
        (None, None) => String::new(),
    }
}

fn run_one(machine: &Machine, limit: Duration) -> Results {
    let start = Instant::now();
    let mut results = Results::default();
    let mut end = Ok(End::TimeIsUp);
    for attempt in 1..=STARTS {
        let done: Vec<&str> = results
            .tests
            .iter()
            .map(|test| test.test.as_str())
            .collect();
        end = machine.run(&guest::without(&machine.script, &done), limit, false);
        let log = fs::read(machine.log()).unwrap_or_default();
        let more = results::read(&String::from_utf8_lossy(&log));
        results.is_complete = more.is_complete;
        results.tests.extend(more.tests);
        let console = fs::read(machine.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let has_tripped = results::has_tripped(&console);
        let is_given_up = matches!(end, Ok(End::TimeIsUp));
        if results.is_complete || !has_tripped || is_given_up || attempt == STARTS {
            break;
        }
        // It goes on with the test that was interrupted.
        let interrupted = results.tests.pop().map(|result| result.test);
        eprintln!(
            "again   {}: the emulator tripped over code that the kernel changed, {}",
            machine.kernel.name,
            interrupted.map_or("at its start".to_owned(), |test| format!("in {test}"))
        );
    }
    let seconds = start.elapsed().as_secs_f64();
    let reason = match end {
        Ok(End::PoweredOff) if results.is_complete => None,
        Ok(End::PoweredOff) => Some("it stopped before its tests were through".to_owned()),
        Ok(End::TimeIsUp) => Some(format!("it was given up after {seconds:.0} s")),
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(reason) = reason {
        let console = fs::read(machine.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let last = said::last(&console.lines().collect::<Vec<_>>());
        results.tests.push(TestResult {
            test: "the machine itself".to_owned(),
            verdict: Verdict::Failed(format!("{reason}\n{last}")),
            seconds,
        });
    }
    results.judge(machine.kernel.name);
    let verdict = if results.have_failed() {
        "FAILED"
    } else {
        "ok"
    };
    eprintln!("{verdict:<7}{seconds:>6.1} s  {}", machine.kernel.name);
    results
}

fn run_command(machine: &Machine, limit: Duration) -> Result<()> {
    let end = machine.run(&machine.script, limit, true)?;
    let console = machine.console();
    let said = fs::read(&console).with_context(|| format!("read {}", console.display()))?;
    let said = String::from_utf8_lossy(&said);
    let status = said
        .lines()
        .find_map(|line| line.trim().strip_prefix(guest::ENDED))
        .map(str::trim);
    match (end, status) {
        (End::PoweredOff, Some("0")) => Ok(()),
        (End::TimeIsUp, _) => bail!("given up after {} s", limit.as_secs()),
        (End::PoweredOff, status) => bail!(
            "the command ended with {}\nhint: what the kernel said is in {}",
            status.unwrap_or("the machine"),
            console.display()
        ),
    }
}
