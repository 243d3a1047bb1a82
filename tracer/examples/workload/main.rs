//! Makes TCP traffic whose truth it knows, and prints that truth: live tests compare the tracer with it.

mod arguments;
mod chain;
mod connect;
mod header;
mod hold;
mod kernel;
mod processes;
mod serve;
mod session;
mod socket;
mod storm;
mod truth;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    // `once` is started many thousand times; it must not pay for the command line of the others.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "once") {
        let address = words.next();
        return processes::once(address.as_deref().and_then(std::ffi::OsStr::to_str));
    }
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("workload: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    kernel::end_after(arguments.deadline);
    kernel::allow_many_files()?;
    match arguments.command {
        Command::Serve(serve) => serve::run(&serve),
        Command::Connect(connect) => connect::run(&connect, arguments.deadline),
        Command::Storm(storm) => storm::run(&storm),
        Command::Processes(processes) => processes::run(&processes),
        Command::ExecChain(chain) => chain::run(&chain, arguments.deadline),
        Command::Hold(hold) => hold::run(&hold),
    }
}
