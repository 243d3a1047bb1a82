//! What can a developer ask of this repository? `cargo xtask COMMAND`.

mod android;
mod architecture;
mod bench;
mod broken;
mod build;
mod cache;
mod cases;
mod cross;
mod demo;
mod deny;
#[expect(
    dead_code,
    reason = "`build` is for tracer/build.rs, which includes the same file"
)]
mod ebpf;
mod install;
mod live;
mod native;
mod needs;
mod packages;
mod phone;
mod plan;
mod pool;
mod run;
mod series;
mod setup;
mod shipped;
mod stages;
mod step;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use needs::Purpose;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs and tests tracer")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building, testing and benchmarking need (the others do this by themselves)
    Setup {
        /// Only say what is there and what is missing
        #[arg(long)]
        check: bool,
    },
    /// Build tracer
    Build {
        /// The static binary, optimised, as it is shipped
        #[arg(long)]
        release: bool,
    },
    /// Build the release binary and start `tracer run` as root
    Run {
        /// Passed on to `tracer run`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// See what the tracer says of an app that talks to several companies, in an internet of this machine's own, as root
    Demo(demo::Arguments),
    /// Everything that must pass before a change goes in
    Test(test::Arguments),
    /// Have the live tests try tracers that are a little wrong, as `test --long` does
    Broken,
    /// Measure what tracer costs on this machine, as root, beside its goals
    Bench(bench::Arguments),
    /// Run the live tests on other kernels, old and new, under emulation
    Vm(vm::Arguments),
    /// Put tracer on phones and start it there
    Android(android::Arguments),
    /// An emulated phone with the tracer on it: to look at, to have apps do something on, to prove it on
    Phone(phone::Arguments),
    /// Check the rules of this code base that no other tool knows
    Tidy,
}

fn main() -> ExitCode {
    match start(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by `?`: a developer with RUST_BACKTRACE set would have to look for the hint above a backtrace.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> Result<()> {
    match command {
        Command::Setup { check: true } => setup::report(Purpose::Bench),
        Command::Setup { check: false } => setup::setup_aloud(Purpose::Bench),
        Command::Build { release } => build::build(release).map(drop),
        Command::Run { arguments } => run::run(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Broken => broken::broken(),
        Command::Bench(arguments) => bench::bench(&arguments),
        Command::Vm(arguments) => vm::vm(&arguments),
        Command::Android(arguments) => android::android(&arguments),
        Command::Phone(arguments) => phone::phone(&arguments),
        Command::Tidy => tidy::tidy(),
    }
}
