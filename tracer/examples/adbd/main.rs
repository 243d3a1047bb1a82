//! The device side of adb, for tests: the real `adb` client takes the machine it runs on for an Android phone.
//!
//! It speaks adb's transport protocol over TCP, as a phone does after `adb tcpip`.

mod arguments;
mod channel;
mod connection;
mod daemon;
mod group;
mod identity;
mod message;
mod open;
mod packet;
mod restart;
mod sender;
mod service;
mod shell;
mod sync;
mod tunnel;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::{io, thread};

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;
use daemon::Daemon;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adbd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let listener = TcpListener::bind(arguments.listen)
        .with_context(|| format!("listen on {}", arguments.listen))?;
    let address = listener.local_addr().context("the address listened on")?;
    if arguments.until_stdin_closes {
        thread::spawn(|| {
            let mut ignored = [0; 4096];
            while io::stdin().read(&mut ignored).is_ok_and(|count| count > 0) {}
            process::exit(0);
        });
    }
    let daemon = Arc::new(Daemon::new(arguments)?);
    // One write: who reads no further than the first line may close the pipe behind it.
    io::stdout()
        .write_all(format!("ready\n{address}\n").as_bytes())
        .context("say that it is ready")?;
    for stream in listener.incoming() {
        // One that was reset before it was accepted is nobody's loss.
        let Ok(stream) = stream else { continue };
        let daemon = Arc::clone(&daemon);
        thread::spawn(move || {
            if let Err(error) = connection::serve(stream, &daemon) {
                eprintln!("adbd: a connection ended: {error}");
            }
        });
    }
    Ok(())
}
