//! What is to be ready before a kernel starts, and how do several run at the same time?

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use super::binaries::{self, Binaries};
use super::kernels::{Kernel, Share};
use super::machine::{End, Machine};
use super::results::{self, Results, TestResult, Verdict};
use super::{guest, modules, rootfs, table};
use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::packages::Packages;

/// How often a kernel is started that does not boot.
const STARTS: u32 = 3;

pub struct Plan<'arguments> {
    pub cache: &'arguments Cache,
    pub kernels: Vec<&'static Kernel>,
    /// How many of the tests run; as each kernel says where nobody does.
    pub share: Option<Share>,
    pub shell: Option<&'arguments str>,
    pub is_bare: bool,
    pub files: &'arguments [PathBuf],
    pub limit: Duration,
    pub jobs: usize,
    pub tests: &'arguments [String],
}

/// Runs the tests, or the command, on every kernel of the plan.
pub fn runs(plan: &Plan) -> Result<()> {
    let folder = build::target_dir().join("vm");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let machines = prepare(plan, &folder)?;
    if plan.shell.is_some() {
        return machines
            .iter()
            .try_for_each(|machine| run_command(machine, plan.limit));
    }
    let mut columns = run_tests(machines, plan);
    // In the order of the plan, not in that in which they were done.
    columns.sort_by_key(|(name, _)| plan.kernels.iter().position(|kernel| kernel.name == *name));
    table::show(&columns);
    let all = || columns.iter().flat_map(|(_, results)| &results.tests);
    let failed = all().filter(|result| matches!(result.verdict, Verdict::Failed(_)));
    match failed.count() {
        0 if all().next().is_none() => bail!("no test was run\nhint: is there one of this name?"),
        0 => Ok(()),
        count => bail!(
            "{count} tests failed\nhint: all they said is in {}/NAME.log, and what the kernel said in NAME.console.log",
            folder.display()
        ),
    }
}

fn prepare<'plan>(plan: &'plan Plan, folder: &'plan Path) -> Result<Vec<Machine<'plan>>> {
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
                image: modules::image(plan.cache, &packages, kernel)?,
                archives: archives.clone(),
                script: script(plan, kernel, binaries.as_ref()),
                folder,
            });
        }
    }
    Ok(machines)
}

fn script(plan: &Plan, kernel: &Kernel, binaries: Option<&Binaries>) -> String {
    match (plan.shell, binaries) {
        (Some(command), _) => guest::command(kernel, command),
        (None, Some(binaries)) => {
            let share = plan.share.unwrap_or(kernel.share);
            guest::tests(kernel, &binaries.live, &binaries::parts(share), plan.tests)
        }
        (None, None) => String::new(),
    }
}

/// The machines in the order of the list, as many at a time as the plan says.
fn run_tests(machines: Vec<Machine>, plan: &Plan) -> Vec<table::Column> {
    let waiting = Mutex::new(VecDeque::from(machines));
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..plan.jobs {
            scope.spawn(|| {
                // A thread that panicked leaves both lists as they are to be.
                let next = || {
                    waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .pop_front()
                };
                while let Some(machine) = next() {
                    let results = run_one(&machine, plan.limit);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((machine.kernel.name, results));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_one(machine: &Machine, limit: Duration) -> Results {
    let start = Instant::now();
    let mut end = machine.run(limit, false);
    // The emulator now and then trips over a kernel that changes its own code as it boots, before anything of ours runs.
    for _ in 1..STARTS {
        let console = fs::read(machine.console()).unwrap_or_default();
        let has_started = String::from_utf8_lossy(&console).contains(guest::STARTED);
        if has_started || matches!(end, Ok(End::TimeIsUp)) {
            break;
        }
        eprintln!("again   {}: it did not boot", machine.kernel.name);
        end = machine.run(limit, false);
    }
    let seconds = start.elapsed().as_secs_f64();
    let log = fs::read(machine.log()).unwrap_or_default();
    let mut results = results::read(&String::from_utf8_lossy(&log));
    let reason = match end {
        Ok(End::PoweredOff) if results.is_complete => None,
        Ok(End::PoweredOff) => Some("it stopped before its tests were through".to_owned()),
        Ok(End::TimeIsUp) => Some(format!("it was given up after {seconds:.0} s")),
        Err(error) => Some(format!("{error:#}")),
    };
    if let Some(reason) = reason {
        let console = fs::read(machine.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let last = results::last(&console.lines().collect::<Vec<_>>());
        results.tests.push(TestResult {
            test: "the machine itself".to_owned(),
            verdict: Verdict::Failed(format!("{reason}\n{last}")),
            seconds,
        });
    }
    let has_failed = results
        .tests
        .iter()
        .any(|result| matches!(result.verdict, Verdict::Failed(_)));
    let verdict = if has_failed { "FAILED" } else { "ok" };
    eprintln!("{verdict:<7}{seconds:>6.1} s  {}", machine.kernel.name);
    results
}

fn run_command(machine: &Machine, limit: Duration) -> Result<()> {
    let end = machine.run(limit, true)?;
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
