//! `tracer data`: what is known of who controls a name or runs a network, from which source, is the data whole, and is there
//! newer?

mod digest;
mod failure;
pub mod lock;
mod place;
pub mod series;
mod sets;
mod show;
mod unmapped;
pub mod update;
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
    /// Check the built-in tables, what was fetched, and files, against their locks. Exit code 1: something is not what a lock
    /// says.
    Verify(verify::Arguments),
    /// Fetch the tables of networks and countries: the only command that contacts anyone who was not named to it. It says whom. Exit
    /// code 1: what came is not what it should be; the old data stays.
    Update(update::Arguments),
    /// List the destinations without a known owner that a running tracer has seen, by bytes.
    Unmapped(unmapped::Arguments),
}

/// Where the tables lie that `tracer data update` fetches.
pub(super) const FOLDER: &str = "/var/lib/tracer";

/// Does what was asked for. Returns the exit code.
pub(super) fn data(arguments: &Arguments) -> u8 {
    match &arguments.command {
        Command::Show(arguments) => show::show(arguments),
        Command::Verify(arguments) => verify::verify(arguments),
        Command::Update(arguments) => update::update(arguments),
        Command::Unmapped(arguments) => unmapped::unmapped(arguments),
    }
}

/// Writes the answer. Whoever reads it may stop before its end.
fn answer(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// What somebody else chose, without what a terminal obeys.
fn visible(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.is_empty() {
        "?".to_owned()
    } else {
        text
    }
}
