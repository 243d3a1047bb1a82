//! Is everything here, and if not, can it be installed?

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::install;
use crate::needs::{self, Need, Purpose, needs};
use crate::{phone, vm};

/// Installs what is missing for `purpose`; says nothing when nothing is.
pub fn setup(purpose: Purpose) -> Result<()> {
    provide(|| needs(purpose))
}

/// The same for what talks to phones, and nothing else.
pub fn setup_adb() -> Result<()> {
    provide(|| vec![needs::adb()])
}

/// The same for building tracer and for the demo.
pub fn setup_demo() -> Result<()> {
    provide(needs::demo)
}

fn provide(wanted: impl Fn() -> Vec<Need>) -> Result<()> {
    // The Rust that an install brings decides which linker is needed, hence a second look and a second round.
    for _ in 0..2 {
        let missing = missing(wanted());
        if missing.is_empty() {
            return Ok(());
        }
        for need in &missing {
            eprintln!("setup: {} is missing", need.name);
        }
        install::install(&missing)?;
    }
    let missing = missing(wanted());
    if let Some(need) = missing.first() {
        bail!(
            "{} was installed and is still not found\nhint: {}",
            need.name,
            need.remedy.elsewhere
        );
    }
    Ok(())
}

/// The same for someone who asked, and the kernels to test on; ends with a list of what is there.
pub fn setup_aloud(purpose: Purpose) -> Result<()> {
    setup(purpose)?;
    let cache = Cache::open()?;
    vm::fetch(&cache)?;
    phone::fetch(&cache)?;
    report(purpose)
}

/// Says what is there, what is missing and how to get it. Fails when something is missing.
#[expect(
    clippy::print_stdout,
    reason = "the list is what `setup --check` was asked for"
)]
pub fn report(purpose: Purpose) -> Result<()> {
    let needs = needs(purpose);
    for need in &needs {
        match &need.found {
            Some(path) => println!("{:<13} {}", need.name, path.display()),
            None => println!("{:<13} missing: {}", need.name, install::advice(&[need])),
        }
    }
    match missing(needs).len() {
        0 => Ok(()),
        count => bail!("{count} things are missing\nhint: run cargo xtask setup"),
    }
}

fn missing(mut needs: Vec<Need>) -> Vec<Need> {
    needs.retain(|need| need.found.is_none());
    needs
}
