//! What must pass before a change goes in?

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::architecture::Architecture;
use crate::broken;
use crate::build;
use crate::cache::Cache;
use crate::cases;
use crate::cross;
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
    /// Every test on every kernel, whole days of the phones, a million connects, the broken tracers
    #[arg(long)]
    long: bool,
    /// Only tests of this machine that these fit: options and names, as a test binary takes them
    #[arg(last = true)]
    tests: Vec<String>,
}

/// Emulated machines at a time. Two processors are busy with them; a fourth makes each slower, and the whole no faster.
const MACHINES: usize = 3;

/// Runs every check in the order of its price, and stops at the first that fails; at the end, says how long each took.
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
        let all = ["clippy", "--workspace", "--all-targets", "--test", "live"];
        step::finish(step::cargo(&all).args(["--", "-D", "warnings"]))
    })?;
    stages.run("cargo deny", deny::deny)?;
    let live = stages.run("build the tests", || {
        step::finish(cargo_test(&cache)?.arg("--no-run"))?;
        let packages = Packages::new(&cache);
        Ok(binaries::build(&cache, &packages, Architecture::of_this_machine()?)?.live)
    })?;
    stages.run("cargo test", || step::finish(&mut cargo_test(&cache)?))?;
    if arguments.quick {
        return Ok(());
    }
    let scope = if arguments.long {
        Scope::Long
    } else {
        Scope::Short
    };
    let mut columns = Vec::new();
    stages.run("live tests", || {
        let tests = plan::tests_of(HERE, scope);
        let results = native::beside(|| live::run(&live, &tests), || build_for_others(&cache))?;
        columns.push((HERE.to_owned(), results));
        Ok(())
    })?;
    stages.run("other machines", || {
        columns.extend(machines(&cache, scope)?);
        Ok(())
    })?;
    if scope == Scope::Long {
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
    let results = stages.run("live tests", || live::run(&live, &names))?;
    match table::show(&[(HERE.to_owned(), results)]) {
        0 => Ok(()),
        count => bail!("{count} live tests failed"),
    }
}

/// `cargo test` of the whole workspace but for the live tests. It is built as for emulated machines, which run a part of it.
fn cargo_test(cache: &Cache) -> Result<std::process::Command> {
    let architecture = Architecture::of_this_machine()?;
    let mut command = cross::cargo(cache, &Packages::new(cache), architecture, "")?;
    cross::for_tests(&mut command);
    command
        .args(["test", "--workspace", "--target", architecture.triple()])
        .arg("--target-dir")
        .arg(build::target_dir());
    Ok(command)
}

/// All that the other machines need, which is built while this one's tests wait.
fn build_for_others(cache: &Cache) -> Result<()> {
    let packages = Packages::new(cache);
    binaries::build(cache, &packages, Architecture::Arm).map(drop)
}

/// The emulated kernels and phones, and the public cases where they are there.
fn machines(cache: &Cache, scope: Scope) -> Result<Vec<Column>> {
    let limit = Duration::from_secs(match scope {
        Scope::Short => 600,
        Scope::Long => 2400,
    });
    let emulated = runs::prepare(&Plan {
        cache,
        kernels: KERNELS.iter().collect(),
        scope: Some(scope),
        shell: None,
        is_bare: false,
        files: &[],
        limit,
        jobs: MACHINES,
        tests: &[],
    })?;
    let proof = Proof::prepare(cache, scope)?;
    let tracer = build::tests_dir(Architecture::of_this_machine()?).join("tracer");
    let mut jobs: Vec<Job> = Vec::new();
    // First, since they mostly wait.
    if let Some(runner) = cases::runner() {
        jobs.push(Box::new(move || {
            (HERE.to_owned(), cases::run(&runner, &tracer))
        }));
    }
    jobs.extend(runs::jobs(emulated, limit));
    jobs.extend(proof.jobs(None));
    Ok(pool::run(jobs, MACHINES))
}
