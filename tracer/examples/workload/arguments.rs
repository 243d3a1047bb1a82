//! The command line. `once ADDRESS:PORT` is not in it: `main` takes that one before clap is asked.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    activate, attempts, churn, datagram, echo, flood, judge, loopback, meet, multipath, named,
    packets, pass, raw, reborn, sctp, shapes, sockmap,
};

/// Makes traffic whose truth it knows, and prints that truth as JSON lines.
#[derive(Parser)]
pub struct Arguments {
    /// Seconds after which the process ends itself with SIGALRM, whatever it is doing
    #[arg(long, global = true, default_value_t = 120)]
    pub deadline: u32,
    /// Bind each socket to one interface, or VRF, before anything else (`SO_BINDTODEVICE`)
    #[arg(long, global = true)]
    pub device: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve the other commands; at the end tell what arrived at this end
    Serve(Serve),
    /// Listen, and hand the socket to `serve --inherited` of another program, as systemd does
    Activate(activate::Activate),
    /// Make connections that behave in one given way
    Connect(Connect),
    /// Connect and reset as fast as possible
    Storm(Storm),
    /// Begin and end contacts over several protocols at a given pace
    Churn(churn::Churn),
    /// Start programs that connect once each, all as the same process number
    Reborn(reborn::Reborn),
    /// Start processes that connect once each
    Processes(Processes),
    /// Connect once, then become another program that does the same
    ExecChain(ExecChain),
    /// Keep connections open and send on command
    Hold(Hold),
    /// Send UDP datagrams that behave in one given way
    Datagrams(datagram::Datagrams),
    /// Serve `datagrams`; at the end tell what arrived at this end
    ServeDatagrams(datagram::ServeDatagrams),
    /// Send a datagram to each of many remotes, all from one socket
    Flood(flood::Flood),
    /// Send a datagram from each of many addresses, all to one server
    FloodIn(flood::FloodIn),
    /// Do what a seed says: a random program of socket calls
    Shapes(shapes::Shapes),
    /// Have the payload of a connection go past TCP
    Sockmap(sockmap::Sockmap),
    /// Have two sockets connect to each other, or one to itself
    Meet(meet::Meet),
    /// Make contacts that say by which name they go, or ask for one first
    Named(named::Named),
    /// Answer who asks for names
    ServeNames(named::ServeNames),
    /// Let each packet of a netfilter queue go on
    Judge(judge::Judge),
    /// Send ICMP echo requests
    EchoRequests(echo::EchoRequests),
    /// Send raw IP datagrams
    Raw(raw::Raw),
    /// Send frames of one's own making through AF_PACKET
    Packets(packets::Packets),
    /// Pass datagrams, or a stream, from one socket to another, and say how long it took
    Loopback(loopback::Loopback),
    /// Make MPTCP connections
    Multipath(multipath::Multipath),
    /// Make TCP connects that fail before a SYN
    Attempts(attempts::Attempts),
    /// Open a socket and hand it to another program, which uses it
    Pass(pass::Pass),
    /// Take a socket from `pass`, which starts this
    TakePassed(pass::TakePassed),
    /// Make SCTP associations
    Associations(sctp::Associations),
    /// Serve `associations`; at the end tell what arrived at this end
    ServeAssociations(sctp::ServeAssociations),
}

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own, and any may stand beside any other"
)]
pub struct Serve {
    /// Where to listen; port 0 lets the kernel choose, and the choice is printed
    #[arg(long, required_unless_present = "inherited", num_args = 1..)]
    pub listen: Vec<SocketAddr>,
    /// Serve the listening socket that `activate` hands over
    #[arg(long, conflicts_with = "listen")]
    pub inherited: bool,
    /// End when stdin closes, not only on SIGTERM
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// Accept MPTCP, and TCP as well
    #[arg(long)]
    pub multipath: bool,
    /// Take data in the SYN; allows it in this network namespace
    #[arg(long)]
    pub fast_open: bool,
    /// Listen at a port where others do (`SO_REUSEPORT`)
    #[arg(long)]
    pub reuse_port: bool,
    /// Listen without a bind, so that the kernel chooses the port, at any address of the family
    #[arg(long)]
    pub unbound: bool,
    /// The socket of the group, by its place in it, that gets all connections (`SO_ATTACH_REUSEPORT_CBPF`)
    #[arg(long, requires = "reuse_port")]
    pub chosen: Option<u32>,
    /// Take what is for other addresses (`IP_TRANSPARENT`)
    #[arg(long)]
    pub transparent: bool,
    /// Accept nothing until a line comes from stdin
    #[arg(long, requires = "until_stdin_closes")]
    pub wait: bool,
    /// Bind, wait for a line from stdin, try to listen where somebody does by then, which the kernel refuses, and end
    #[arg(long, conflicts_with = "inherited")]
    pub refused: bool,
}

#[derive(Args)]
pub struct Connect {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    #[arg(long)]
    pub mode: Mode,
    /// Split the connections over this many threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub threads: u64,
    /// Each connection in a forked child of its own that never execs
    #[arg(long, conflicts_with = "threads")]
    pub fork: bool,
    /// Payload bytes from here to the server, without the header
    #[arg(long, default_value_t = 10_000)]
    pub bytes_out: u64,
    /// Payload bytes from the server to here
    #[arg(long, default_value_t = 10_000)]
    pub bytes_in: u64,
    /// Reach a v4 destination through a v6 socket
    #[arg(long)]
    pub v4_mapped: bool,
    /// Fail when the kernel's counters of a socket differ from the truth
    #[arg(long)]
    pub verify: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Connect and close
    Plain,
    /// Connect and reset
    Reset,
    /// Connect to a closed port
    Refused,
    /// Connect to an address that drops; gives up after one more SYN, in 3 seconds
    TimedOut,
    /// Connect to an address that a router answers with ICMP unreachable
    Unreachable,
    /// Close while the SYN is unanswered
    Cancelled,
    /// Send, then receive
    Echo,
    /// Send and receive at the same time
    Duplex,
    /// Send byte by byte, with a pause after each, then receive
    Drip,
    /// Send only, and wait for the server's end
    Upload,
    /// Receive only
    Download,
    /// The client ends its direction, then the server answers
    HalfClose,
    /// The server ends its direction while the client still sends
    HalfCloseServer,
    /// Send with sendfile(2)
    Sendfile,
    /// Send and receive with splice(2)
    Splice,
    /// Connect, send, receive and close through io_uring
    IoUring,
    /// The same, each operation forced onto a kernel worker thread
    IoUringWorker,
    /// Send with writev(2), and sendmsg(2) with MSG_MORE
    Writev,
    /// Send with MSG_ZEROCOPY
    Zerocopy,
    /// Close with received data unread, which resets
    EarlyClose,
    /// The server resets once its data is here
    ServerReset,
    /// Write more than the peer's window admits, then reset
    Unsent,
    /// Write and close at once
    LingerData,
    /// Connect and send in one call; `serve --fast-open` gives the cookie that puts later data into the SYN
    FastOpen,
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("length").required(true).args(["times", "seconds"])))]
pub struct Storm {
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub threads: u64,
    /// Connections in all
    #[arg(long)]
    pub times: Option<u64>,
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Connect here in turns, and leave accepting to `serve`
    #[arg(long, num_args = 1.., conflicts_with_all = ["destinations", "port"])]
    pub to: Vec<SocketAddr>,
    /// Spread over this many addresses from 127.1.0.0 on
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub destinations: Option<u32>,
    /// Come from this many addresses in turns, from 127.2.0.0 on
    #[arg(long, conflicts_with = "to", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub sources: Option<u32>,
    /// Thread n listens on this port plus n; without it the kernel chooses
    #[arg(long)]
    pub port: Option<u16>,
    /// Say one of so many names in a TLS hello, in turns
    #[arg(long, conflicts_with = "to", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub names: Option<u32>,
    /// Connections a second, of all threads together
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub pace: Option<u64>,
}

#[derive(Args)]
pub struct Processes {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long)]
    pub times: u64,
    /// Processes alive at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub parallel: u64,
}

#[derive(Args)]
pub struct ExecChain {
    #[arg(long)]
    pub to: SocketAddr,
    /// Copies of this program to become, one after the other
    #[arg(long = "as", num_args = 0..)]
    pub programs: Vec<PathBuf>,
}

#[derive(Args)]
pub struct Hold {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Bytes to send on each connection at the start, without the header
    #[arg(long, default_value_t = 0)]
    pub bytes: u64,
}
