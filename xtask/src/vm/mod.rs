//! Does tracer work on the kernels it is meant for? `cargo xtask vm` runs the live tests on each, under emulation.
//!
//! A test that cannot be run on a kernel says so: it prints a line `skipped: REASON` and returns. It knows where it is
//! by `TRACER_VM=1`, `TRACER_VM_KERNEL=NAME` and, where the kernel's types are hidden, `TRACER_VM_BTF=hidden`.

pub mod archive;
pub mod binaries;
mod guest;
pub mod kernels;
pub mod machine;
pub mod modules;
mod results;
mod rootfs;
pub mod runs;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::cross;
use crate::needs::Purpose;
use crate::packages::Packages;
use crate::plan::Scope;
use crate::setup::setup;
use kernels::{KERNELS, Kernel};

#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args)]
pub struct Arguments {
    /// Only this kernel; may be given several times. Without it, every kernel
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Say which kernels there are
    #[arg(long)]
    list: bool,
    /// Run a shell command instead of the tests, with the same programs around it
    #[arg(long, value_name = "COMMAND")]
    shell: Option<String>,
    /// With --shell: build nothing, leave the tracer and the tests out
    #[arg(long, requires = "shell")]
    bare: bool,
    /// Another file to put inside, at the path that it has here; may be given several times
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Every test that such a kernel can run, as `cargo xtask test --long` does; takes up to an hour
    #[arg(long, conflicts_with_all = ["shell", "tests"])]
    long: bool,
    /// Minutes after which a kernel is given up; with --long 60 unless it is given
    #[arg(long)]
    limit: Option<u64>,
    /// How many kernels run at the same time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,
    /// Fetch the newest kernels and programs, even where there are some
    #[arg(long)]
    update: bool,
    /// Names of tests, or parts of them (`TRACER_HOOKS` in the environment says with which hooks), and further options of a test binary
    #[arg(last = true)]
    tests: Vec<String>,
}

/// Gets what the machines of every kernel are made of, as far as it is not there: nothing that is built.
pub fn fetch(cache: &Cache) -> Result<()> {
    let packages = Packages::new(cache);
    for architecture in [Architecture::X86, Architecture::Arm] {
        rootfs::archive(cache, &packages, architecture)?;
        cross::fetch(cache, &packages, architecture)?;
    }
    KERNELS
        .iter()
        .try_for_each(|kernel| modules::image(cache, kernel).map(drop))
}

pub fn vm(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        list();
        return Ok(());
    }
    let kernels = chosen(&arguments.kernels)?;
    let is_named = !arguments.kernels.is_empty() || !arguments.tests.is_empty();
    setup(Purpose::Vm)?;
    let cache = Cache::open()?;
    if arguments.update {
        cache.clear()?;
    }
    let (scope, usual) = if arguments.long {
        (Some(Scope::Long), 60)
    } else {
        ((!is_named).then_some(Scope::Short), 15)
    };
    let limit = arguments.limit.unwrap_or(usual);
    runs::runs(&runs::Plan {
        cache: &cache,
        kernels,
        scope,
        shell: arguments.shell.as_deref(),
        is_bare: arguments.bare,
        files: &arguments.files,
        limit: Duration::from_secs(60 * limit),
        jobs: usize::from(arguments.jobs),
        tests: &arguments.tests,
    })
}

#[expect(clippy::print_stdout, reason = "the list is what `--list` asks for")]
fn list() {
    for kernel in KERNELS {
        println!("{}", kernel.name);
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Kernel>> {
    if names.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        match KERNELS.iter().find(|kernel| kernel.name == name) {
            Some(kernel) => chosen.push(kernel),
            None => bail!("there is no kernel {name}\nhint: cargo xtask vm --list"),
        }
    }
    Ok(chosen)
}
