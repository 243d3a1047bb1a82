//! The commands: what the user asked for, and with what it ended.

pub mod data;
mod databases;
mod device;
mod doctor;
mod lines;
pub mod names;
mod place;
mod readers;
mod run;
mod tick;

use clap::{Parser, Subcommand};

use crate::kernel::calibrate::stand_by;

/// Exit code: the command did what it says.
const DONE: u8 = 0;
/// Exit code: the answer is no.
const NO: u8 = 1;
/// Exit code: it could not run. Why stands on standard error.
const COULD_NOT_RUN: u8 = 2;

/// Shows which app of this machine contacts whom, how often, and how much it sends.
#[derive(Parser)]
#[command(name = "tracer", version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trace this machine and serve what is seen, until SIGINT or SIGTERM.
    Run(run::Arguments),
    /// Say what this kernel allows, which hook serves each signal, and what is therefore not seen.
    Doctor(doctor::Arguments),
    /// Show the names in a file of packets: a line of JSON for each TLS or QUIC hello and each DNS message.
    Names(names::Arguments),
    /// Show, check and update what is known of names and addresses, and list what is not.
    Data(data::Arguments),
    /// Do nothing, as a process of which the tracer knows everything, while it measures a kernel without BTF.
    #[command(name = stand_by::COMMAND, hide = true)]
    StandBy,
}

/// Does what the command line asks for. Returns the exit code.
pub fn main() -> u8 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are answers too; clap tells them from mistakes, and writes each where it belongs.
        Err(message) => {
            let _ = message.print();
            return if message.use_stderr() {
                COULD_NOT_RUN
            } else {
                DONE
            };
        }
    };
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments).map(|()| DONE),
        Command::Doctor(arguments) => Ok(doctor::doctor(&arguments)),
        Command::Names(arguments) => names::names(&arguments).map(|()| DONE),
        Command::Data(arguments) => Ok(data::data(&arguments)),
        Command::StandBy => stand_by::stand_by().map(|()| DONE).map_err(Into::into),
    };
    result.unwrap_or_else(|error| {
        eprintln!("tracer: {error:#}");
        COULD_NOT_RUN
    })
}
