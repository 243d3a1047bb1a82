//! Makes traffic whose truth it knows, and prints that truth: live tests compare the tracer with it.

mod activate;
mod arguments;
mod attempts;
mod bpf;
mod chain;
mod checksum;
mod churn;
mod connect;
mod datagram;
mod deny;
mod echo;
mod flood;
mod header;
mod hold;
mod ip;
mod judge;
mod kernel;
mod loopback;
mod meet;
mod message;
mod multipath;
mod named;
mod packets;
mod pass;
mod processes;
mod raw;
mod reborn;
mod sctp;
mod serve;
mod session;
mod shapes;
mod socket;
mod sockmap;
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
    socket::bind_all_to(arguments.device.as_deref())?;
    match arguments.command {
        Command::Shapes(shapes) => shapes::run(&shapes),
        Command::Sockmap(sockmap) => sockmap::run(&sockmap),
        Command::Meet(meet) => meet::run(&meet),
        Command::Named(named) => named::run(&named),
        Command::ServeNames(serve) => named::serve(&serve),
        Command::Judge(judge) => judge::run(&judge),
        Command::Serve(serve) => serve::run(&serve),
        Command::Activate(activate) => activate::run(&activate),
        Command::Connect(connect) => connect::run(&connect, arguments.deadline),
        Command::Storm(storm) => storm::run(&storm),
        Command::Churn(churn) => churn::run(&churn),
        Command::Reborn(reborn) => reborn::run(&reborn),
        Command::Processes(processes) => processes::run(&processes),
        Command::ExecChain(chain) => chain::run(&chain, arguments.deadline),
        Command::Hold(hold) => hold::run(&hold),
        Command::Datagrams(datagrams) => datagram::run(&datagrams, arguments.deadline),
        Command::ServeDatagrams(serve) => datagram::serve(&serve),
        Command::Flood(flood) => flood::run(&flood),
        Command::FloodIn(flood) => flood::run_in(&flood),
        Command::EchoRequests(requests) => echo::run(&requests),
        Command::Raw(raw) => raw::run(&raw),
        Command::Packets(packets) => packets::run(&packets),
        Command::Loopback(loopback) => loopback::run(&loopback),
        Command::Multipath(multipath) => multipath::run(&multipath),
        Command::Attempts(attempts) => attempts::run(&attempts),
        Command::Pass(pass) => pass::run(&pass, arguments.deadline),
        Command::TakePassed(take) => pass::take(&take),
        Command::Associations(associations) => sctp::run(&associations),
        Command::ServeAssociations(serve) => sctp::serve(&serve),
    }
}
