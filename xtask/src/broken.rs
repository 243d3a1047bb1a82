//! Does the short run catch a tracer that is a little wrong?
//!
//! Each patch in `xtask/broken/` makes one; it must fail each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::live;
use crate::needs::Purpose;
use crate::packages::Packages;
use crate::plan::table::{self, Column};
use crate::plan::verdict::{Results, TestResult, Verdict};
use crate::plan::{self, HERE, Scope, known, said};
use crate::setup::setup;
use crate::step;
use crate::vm::binaries;

/// How often each is tried.
const TIMES: usize = 5;

/// `cargo xtask broken`.
pub fn broken() -> Result<()> {
    setup(Purpose::Test)?;
    let cache = Cache::open()?;
    let architecture = Architecture::of_this_machine()?;
    let live = binaries::build(&cache, &Packages::new(&cache), architecture)?.live;
    match table::show(&[run(&live)?]) {
        0 => Ok(()),
        count => bail!("{count} times no test of the short run failed"),
    }
}

/// Has the live tests of the short run try each of them.
pub fn run(binary: &Path) -> Result<Column> {
    let mut results = Results {
        is_complete: true,
        ..Results::default()
    };
    for patch in patches()? {
        let tracer = make(&patch)?;
        for time in 1..=TIMES {
            let start = Instant::now();
            let name = patch.file_stem().unwrap_or_default().display();
            let caught = caught(binary, &tracer)?;
            let seconds = start.elapsed().as_secs_f64();
            let verdict = match &caught {
                Some(_) => Verdict::Ok,
                None => Verdict::Failed("no test of the short run failed".to_owned()),
            };
            let by = caught.unwrap_or("nothing");
            eprintln!("broken: {name}, time {time}: caught by {by} ({seconds:.1} s)");
            results.tests.push(TestResult {
                test: format!("broken::{name} {time}"),
                verdict,
                seconds,
            });
        }
    }
    Ok((HERE.to_owned(), results))
}

/// The patches, in order.
pub fn patches() -> Result<Vec<PathBuf>> {
    let folder = step::workspace().join("xtask/broken");
    let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    let mut patches: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "patch")
        })
        .collect();
    patches.sort();
    Ok(patches)
}

/// The first test of the short run that fails with this tracer and would pass with a good one.
fn caught(binary: &Path, tracer: &Path) -> Result<Option<&'static str>> {
    for name in plan::tests_of(HERE, Scope::Short) {
        if known::is_known(HERE, name) {
            continue;
        }
        let output = live::once(binary, name, &[("TRACER_UNDER_TEST", tracer)])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = text.lines().collect();
        let status = i32::from(!output.status.success()).to_string();
        if matches!(said::verdict(&status, &lines), Verdict::Failed(_)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A tracer built with the patch, from a copy of what git knows.
fn make(patch: &Path) -> Result<PathBuf> {
    let folder = build::target_dir().join("broken");
    let tree = folder.join("tree");
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir_all(&tree).with_context(|| format!("create {}", tree.display()))?;
    let copy = r#"cd "$0" && git ls-files -z | xargs -0 cp --parents --target-directory "$1""#;
    step::finish(
        Command::new("sh")
            .args(["-c", copy])
            .args([&step::workspace(), &tree]),
    )?;
    step::finish(
        Command::new("git")
            // Not of the repository that the copy lies in.
            .env("GIT_CEILING_DIRECTORIES", &folder)
            .arg("apply")
            .arg(patch)
            .current_dir(&tree),
    )
    .context("hint: make the patch anew, the code that it changes is another now")?;
    let target = folder.join("target");
    let mut cargo = step::cargo(&[
        "build",
        "--package",
        "tracer",
        "--bin",
        "tracer",
        "--target-dir",
    ]);
    step::finish(cargo.arg(&target).current_dir(&tree))?;
    let (built, tracer) = (
        target.join("debug/tracer"),
        folder.join(patch.file_stem().unwrap_or_default()),
    );
    fs::copy(&built, &tracer).with_context(|| format!("copy {}", built.display()))?;
    Ok(tracer)
}
