//! `tracer data`: what is known of who controls a name or runs a network, from which source, and is the data whole?

mod show;
mod verify;

use std::io::{self, Write as _};

use clap::Subcommand;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explain every fact about a name or an address, with its source and date. Exit code 1: no owner is known.
    Show(show::Arguments),
    /// Check the built-in tables, and files, against the lock. Exit code 1: something is not what the lock says.
    Verify(verify::Arguments),
}

/// Does what was asked for. Returns the exit code.
pub fn data(arguments: &Arguments) -> u8 {
    match &arguments.command {
        Command::Show(arguments) => show::show(arguments),
        Command::Verify(arguments) => verify::verify(arguments),
    }
}

/// Writes the answer. Whoever reads it may stop before its end.
fn answer(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
