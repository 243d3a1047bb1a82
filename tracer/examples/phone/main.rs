//! Who lives in a phone: the parts of Android's user space that matter to the tracer, for tests and for a look without a phone.
//!
//! `zygote` is where apps come from, by fork and without exec; `netd` holds hooks of the control group for itself; `internet`
//! is whom they contact. `tell` has them do things and prints what they did.

mod bpf;
mod charges;
mod contact;
mod control;
mod daemon;
mod internet;
mod line;
mod netd;
mod packages;
mod process;
mod resolver;
mod zygote;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Plays the parts of Android's user space that matter to the tracer.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fork apps that make contacts, as it is told on a socket
    Zygote {
        #[arg(long)]
        socket: PathBuf,
        /// The packages list that it keeps, as Android's package manager does
        #[arg(long)]
        packages_list: PathBuf,
        /// Fields of its lines; older versions of Android have fewer
        #[arg(long, default_value_t = 10)]
        list_fields: usize,
        /// Where it pins the map of charged sockets, as Android's loader of BPF does
        #[arg(long)]
        charges: Option<PathBuf>,
        /// The unified control group hierarchy, where apps get groups of their own
        #[arg(long)]
        cgroup: Option<PathBuf>,
        /// Its netd answers for names too, over `/dev/socket/dnsproxyd`
        #[arg(long)]
        resolver: bool,
        /// Nothing: room in the command line, which the names of apps are written over
        #[arg(long, hide = true)]
        room: Option<String>,
    },
    /// Hold the hooks that Android's netd holds, with no flags: nobody else may have them
    Netd {
        #[arg(long)]
        socket: PathBuf,
        /// The unified control group hierarchy
        #[arg(long)]
        cgroup: PathBuf,
        #[arg(long)]
        profile: netd::Profile,
    },
    /// Answer everybody
    Internet {
        /// Ports of TCP, on every address
        #[arg(long, value_delimiter = ',')]
        tcp: Vec<u16>,
        /// Addresses and ports of UDP
        #[arg(long, value_delimiter = ',')]
        udp: Vec<SocketAddr>,
    },
    /// Tell one of the others what to do: the lines of a file, one after the other; prints an answer for each
    Tell { socket: PathBuf, file: PathBuf },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("phone: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    bpf::allow_locked_memory();
    match command {
        Command::Zygote {
            socket,
            packages_list,
            list_fields,
            charges,
            cgroup,
            resolver,
            room: _,
        } => {
            let packages = packages::Packages::open(packages_list, list_fields);
            zygote::run(&socket, packages, charges.as_deref(), cgroup, resolver)
        }
        Command::Netd {
            socket,
            cgroup,
            profile,
        } => netd::run(&socket, &cgroup, profile),
        Command::Internet { tcp, udp } => internet::run(&tcp, &udp),
        Command::Tell { socket, file } => control::tell(&socket, &file),
    }
}
