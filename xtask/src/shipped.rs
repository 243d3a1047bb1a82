//! Does the binary that is shipped work? The tests have another one, which is built in a fraction of the time and without LTO.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::live;
use crate::plan::{self, HERE, Scope};

/// Builds it, and has the live test that finds most of what is wrong try it.
pub fn check(tests: &Path) -> Result<()> {
    let tracer = build::build_static()?;
    let tests_here = plan::tests_of(HERE, Scope::Short);
    let first = tests_here.first().context("there are no tests")?;
    let output = live::once(tests, first, &[("TRACER_UNDER_TEST", &tracer)])?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stdout));
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("{first} failed with {}", tracer.display());
    }
    Ok(())
}
