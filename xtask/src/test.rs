//! What must pass before a change goes in?

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::architecture::Architecture;
use crate::broken;
use crate::build;
use crate::cache::Cache;
use crate::cases;
use crate::cross;
use crate::demo;
use crate::deny;
use crate::live;
use crate::native;
use crate::needs::Purpose;
use crate::packages::Packages;
use crate::phone::{self, Proof};
use crate::plan::table::{self, Column};
use crate::plan::{self, HERE, Scope};
use crate::pool::{self, Job};
use crate::setup::setup;
use crate::shipped;
use crate::stages::Stages;
use crate::step;
use crate::tidy;
use crate::vm::runs::Plan;
use crate::vm::{self, binaries, kernels::KERNELS, runs};

#[derive(Args)]
pub struct Arguments {
    /// Leave out what needs root: the live tests, here and on other machines
    #[arg(long, conflicts_with = "long")]
    quick: bool,
    /// Every test on every kernel, whole days of the phones, a million connects, the binary as it is shipped, the broken tracers
    #[arg(long)]
    long: bool,
    /// Only tests of this machine that these fit: options and names, as a test binary takes them
    #[arg(last = true)]
    tests: Vec<String>,
}

/// Emulated machines at a time, while this machine's own tests run and wait. Two processors are busy with them.
const MACHINES: usize = 2;

/// Runs every check in the order of its price, and stops at the first that fails; at the end, says how long each took. Other machines
/// run beside the tests of this one.
pub fn test(arguments: &Arguments) -> Result<()> {
    let mut stages = Stages::begin();
    let end = run(arguments, &mut stages);
    eprintln!("{}", stages.table());
    end
}

fn run(arguments: &Arguments, stages: &mut Stages) -> Result<()> {
    stages.run("setup", || {
        setup(Purpose::Test)?;
        let cache = Cache::open()?;
        vm::fetch(&cache)?;
        phone::fetch(&cache)
    })?;
    let cache = Cache::open()?;
    if !arguments.tests.is_empty() {
        return some(arguments, &cache, stages);
    }
    stages.run("cargo fmt", || {
        step::finish(&mut step::cargo(&["fmt", "--all", "--check"]))
    })?;
    stages.run("tidy", tidy::tidy)?;
    stages.run("cargo clippy", || {
        let all = ["--all-targets", "--test", "live", "--", "-D", "warnings"];
        step::finish(cargo(&cache, "clippy")?.args(all))
    })?;
    // Some 10 s, or 50 where nothing is built: what is fuzzed goes on, and nobody builds its targets every day.
    stages.run("fuzz targets", || {
        let targets = ["--manifest-path", "fuzz/Cargo.toml", "--locked"];
        let mut clippy = cargo(&cache, "clippy")?;
        // libFuzzer, which is of C++, is not built: nothing is linked here.
        clippy.env("CUSTOM_LIBFUZZER_PATH", "/none/libfuzzer.a");
        step::finish(clippy.args(targets).args(["--", "-D", "warnings"]))
    })?;
    stages.run("cargo deny", deny::deny)?;
    let live = stages.run("build the tests", || {
        step::finish(cargo_test(&cache)?.arg("--no-run"))?;
        let packages = Packages::new(&cache);
        Ok(binaries::build(&cache, &packages, Architecture::of_this_machine()?)?.live)
    })?;
    let mut unit_tests = cargo_test(&cache)?;
    if arguments.quick {
        return stages.run("cargo test", || step::finish(&mut unit_tests));
    }
    let scope = if arguments.long {
        Scope::Long
    } else {
        Scope::Short
    };
    let here = || {
        stages.run("cargo test", || step::finish(&mut unit_tests))?;
        stages.run("live tests", || this_machine(&live, scope))
    };
    let start = Instant::now();
    let (mut columns, others) = native::beside(here, |in_vain| others(&cache, scope, in_vain))?;
    columns.extend(others);
    stages.since(start, "these two, and other kernels and phones beside");
    stages.run("the demo", || demo::check(&tracer()?))?;
    if scope == Scope::Long {
        // Two minutes, mostly of LTO.
        stages.run("the binary as it is shipped", || shipped::check(&live))?;
        columns.push(stages.run("broken tracers", || broken::run(&live))?);
    }
    match table::show(&columns) {
        0 => Ok(()),
        count => bail!(
            "{count} live tests failed\nhint: {}",
            runs::where_it_is_said()
        ),
    }
}

/// Those tests of this machine that are asked for.
fn some(arguments: &Arguments, cache: &Cache, stages: &mut Stages) -> Result<()> {
    let live = stages.run("build the tests", || {
        let packages = Packages::new(cache);
        Ok(binaries::build(cache, &packages, Architecture::of_this_machine()?)?.live)
    })?;
    stages.run("cargo test", || {
        step::finish(cargo_test(cache)?.arg("--").args(&arguments.tests))
    })?;
    if arguments.quick {
        return Ok(());
    }
    let names = live::fitting(&live, &arguments.tests)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let results = stages.run("live tests", || live::run(&live, &names, Scope::Short))?;
    match table::show(&[(HERE.to_owned(), results)]) {
        0 => Ok(()),
        count => bail!("{count} live tests failed"),
    }
}

/// `cargo test` of the whole workspace but for the live tests.
fn cargo_test(cache: &Cache) -> Result<Command> {
    let mut command = cargo(cache, "test")?;
    // Most of the longest wait for programs that they play a phone with.
    command.env("RUST_TEST_THREADS", "4");
    Ok(command)
}

/// A command of cargo for the whole workspace. It is built as for emulated machines, which run a part of it.
fn cargo(cache: &Cache, name: &str) -> Result<Command> {
    let architecture = Architecture::of_this_machine()?;
    let mut command = cross::cargo(cache, &Packages::new(cache), architecture, "")?;
    cross::for_tests(&mut command);
    command
        .args([name, "--workspace", "--target", architecture.triple()])
        .arg("--target-dir")
        .arg(build::target_dir());
    Ok(command)
}

/// The tracer that is tested on this machine.
fn tracer() -> Result<PathBuf> {
    Ok(build::tests_dir(Architecture::of_this_machine()?).join("tracer"))
}

/// The live tests, and the public cases where they are there.
fn this_machine(live: &Path, scope: Scope) -> Result<Vec<Column>> {
    let results = live::run(live, &plan::tests_of(HERE, scope), scope)?;
    let mut columns = vec![(HERE.to_owned(), results)];
    if let Some(runner) = cases::runner() {
        columns.push((HERE.to_owned(), cases::run(&runner, &tracer()?)));
    }
    Ok(columns)
}

/// The emulated kernels of this machine's architecture, for which everything is built already; meanwhile, that is built which
/// the others need: those of the other architecture, and the phones.
fn others(cache: &Cache, scope: Scope, is_in_vain: &AtomicBool) -> Result<Vec<Column>> {
    let here = Architecture::of_this_machine()?;
    let jobs = kernels(cache, scope, |architecture| architecture == here)?;
    let mut columns = thread::scope(|scope| {
        let machines = scope.spawn(|| pool::run(jobs, MACHINES, is_in_vain));
        binaries::build(cache, &Packages::new(cache), Architecture::Arm)?;
        machines
            .join()
            .map_err(|_| anyhow!("what ran the emulated machines panicked"))
    })?;
    let proof = Proof::prepare(cache, scope)?;
    let mut jobs = kernels(cache, scope, |architecture| architecture != here)?;
    jobs.extend(proof.jobs(None));
    columns.extend(pool::run(jobs, MACHINES, is_in_vain));
    Ok(columns)
}

/// A job for each kernel of an architecture that is chosen.
fn kernels<'any>(
    cache: &Cache,
    scope: Scope,
    is_chosen: impl Fn(Architecture) -> bool,
) -> Result<Vec<Job<'any>>> {
    let limit = Duration::from_secs(match scope {
        Scope::Short => 1_800,
        Scope::Long => 2400,
    });
    let machines = runs::prepare(&Plan {
        cache,
        kernels: KERNELS
            .iter()
            .filter(|kernel| is_chosen(kernel.architecture))
            .collect(),
        scope: Some(scope),
        shell: None,
        is_bare: false,
        files: &[],
        limit,
        jobs: MACHINES,
        tests: &[],
    })?;
    Ok(runs::jobs(machines, limit))
}
