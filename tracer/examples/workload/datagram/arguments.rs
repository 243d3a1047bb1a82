//! The command lines of `datagrams` and `serve-datagrams`.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, ValueEnum};

#[derive(Args)]
pub struct Datagrams {
    #[arg(long)]
    pub to: SocketAddr,
    #[arg(long)]
    pub mode: Mode,
    /// Sockets, one after the other
    #[arg(long, default_value_t = 1)]
    pub sockets: u64,
    /// Datagrams that each socket sends
    #[arg(long, default_value_t = 1)]
    pub times: u64,
    /// Payload bytes of each datagram
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=65_507))]
    pub bytes: u64,
    /// Split the sockets over this many threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub threads: u64,
    /// Reach a v4 destination through a v6 socket
    #[arg(long)]
    pub v4_mapped: bool,
    /// Have them go by this address first: a loose source route (IPv4)
    #[arg(long)]
    pub through: Option<Ipv4Addr>,
    /// Bytes of each socket's send buffer, as `SO_SNDBUF` takes them: who finds it full waits
    #[arg(long)]
    pub send_buffer: Option<libc::c_int>,
    /// Open the sockets, then do all of that once for each line on standard input, and tell the truth of each round; the
    /// sockets stay open until there are no more lines
    #[arg(long, conflicts_with = "threads")]
    pub rounds: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// sendto(2), and nothing comes back
    SendTo,
    /// connect(2) and send(2), and nothing comes back
    Connected,
    /// sendto(2) and recvfrom(2)
    Echo,
    /// connect(2), then send(2) and recv(2)
    EchoConnected,
    /// sendto(2), and recv(2) that does not ask who answered
    EchoNoAddress,
    /// write(2) and read(2) on a connected socket
    EchoWrite,
    /// 32 at a time with sendmmsg(2); answers one by one
    Sendmmsg,
    /// One by one; answers 32 at a time with recvmmsg(2)
    Recvmmsg,
    /// UDP_SEGMENT: the kernel cuts one buffer into the datagrams
    Segment,
    /// UDP_GRO: the kernel joins the server's burst; `--times` and `--bytes` are of the burst
    Gro,
    /// Look at each answer once or twice with MSG_PEEK before it is taken
    Peek,
    /// Take each answer with a buffer that is shorter
    Truncated,
    /// Several sends make one datagram: MSG_MORE and UDP_CORK in turns
    Corked,
    /// connect(2) alone: no contact
    SilentConnect,
    /// Datagrams without payload, whatever `--bytes` says
    Zero,
    /// Through io_uring: SENDMSG and RECVMSG, and SEND and RECV for every second socket
    IoUring,
    /// The same, each operation forced onto a kernel worker thread
    IoUringWorker,
    /// Connected to a closed port: each send is followed by one that fails
    Refused,
    /// The same, but the error is asked for (`SO_ERROR`), and no call fails
    RefusedAsked,
    /// Each send fails, before anything leaves
    Unsent,
    /// A forked child that never execs sends on the socket, and nothing comes back
    Fork,
    /// Answers arrive, and the socket is closed without reading them
    ReadNothing,
}

#[derive(Args)]
pub struct ServeDatagrams {
    /// Where to listen; port 0 lets the kernel choose, and the choice is printed
    #[arg(long, required = true, num_args = 1..)]
    pub listen: Vec<SocketAddr>,
    /// End when stdin closes, not only on SIGTERM
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// Have a filter of the sockets' own (`SO_ATTACH_FILTER`) refuse datagrams with more payload than this
    #[arg(long)]
    pub at_most: Option<u32>,
}
