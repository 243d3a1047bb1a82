//! What the hooks are to tell, and what nobody sees where none of them serves.

/// What we want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Attempts, handshakes, failures with their reasons and ends of TCP connections.
    TcpLife,
    /// Changes of a TCP socket's state that interrupt the program that sees them.
    TcpNested,
    /// The end of a TCP connection whose state change was missed.
    TcpEnd,
    /// Why a TCP connection failed whose state change was missed, and why nobody answered over a connected socket of datagrams.
    TcpError,
    /// How much passed over open TCP connections.
    TcpBytes,
    /// TCP connects that fail before a SYN.
    TcpAttempt,
    /// Datagrams (UDP, ICMP, SCTP, raw) that leave.
    DatagramsOut,
    /// What calls that send a datagram return, of which more are under way than the kernel follows.
    DatagramReturns,
    /// Whom the call named that sends a datagram.
    DatagramCall,
    /// Datagrams that arrive.
    DatagramsIn,
    /// Datagrams that arrived and found their socket's queue full.
    DatagramRefused,
    /// Datagrams that arrived and that their socket's own filter refused.
    DatagramFiltered,
    /// Associations of SCTP.
    Associations,
    /// Frames that a program makes itself (AF_PACKET).
    Frames,
    /// Such frames that go past the device's queue.
    FramesDirect,
    /// Who bound a socket of datagrams.
    SocketOwner,
    /// Who made a raw socket.
    RawOwner,
    /// The end of a socket of datagrams.
    SocketEnd,
    /// What calls send first over TCP connections, where the names of destinations are said.
    Names,
    /// Names that programs ask their C library for.
    Lookups,
    /// Names that programs ask Android's resolver for.
    Proxy,
}

impl Signal {
    /// The value of the label `signal`.
    pub fn label(self) -> &'static str {
        match self {
            Self::TcpLife => "tcp_life",
            Self::TcpNested => "tcp_nested",
            Self::TcpEnd => "tcp_end",
            Self::TcpError => "tcp_error",
            Self::TcpBytes => "tcp_bytes",
            Self::TcpAttempt => "tcp_attempt",
            Self::DatagramsOut => "datagrams_out",
            Self::DatagramReturns => "datagram_returns",
            Self::DatagramCall => "datagram_call",
            Self::DatagramsIn => "datagrams_in",
            Self::DatagramRefused => "datagram_refused",
            Self::DatagramFiltered => "datagram_filtered",
            Self::Associations => "associations",
            Self::Frames => "frames",
            Self::FramesDirect => "frames_direct",
            Self::SocketOwner => "socket_owner",
            Self::RawOwner => "raw_owner",
            Self::SocketEnd => "socket_end",
            Self::Names => "names",
            Self::Lookups => "lookups",
            Self::Proxy => "dnsproxyd",
        }
    }

    /// Fields of the kernel's structures that may be unknown, and without which its hooks see nothing.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Frames | Self::FramesDirect => &[
                "PACKET_SOCK",
                "PACKET_DEVICE",
                "PACKET_DATA_LENGTH",
                "PACKET_END",
                "SHARED_FRAGMENTS",
            ],
            Self::DatagramFiltered => &["DROP_BY_FILTER"],
            Self::Associations => &[
                "ASSOCIATION_SOCK",
                "ASSOCIATION_PEER",
                "ASSOCIATION_TRIES",
                "OUTQ_ASSOCIATION",
                "CHUNK_HEADER",
            ],
            Self::Names => &[
                "MESSAGE_DATA",
                "DATA_KIND",
                "DATA_SKIPPED",
                "DATA_PLACE",
                "DATA_LENGTH",
            ],
            Self::Proxy => &[
                "MESSAGE_DATA",
                "DATA_KIND",
                "DATA_SKIPPED",
                "DATA_PLACE",
                "DATA_LENGTH",
                "UNIX_PEER",
                "UNIX_ADDRESS",
                "UNIX_ADDRESS_LENGTH",
                "UNIX_ADDRESS_NAME",
            ],
            _ => &[],
        }
    }

    /// What nobody sees when no hook serves this signal.
    pub fn unseen(self) -> &'static str {
        match self {
            Self::TcpLife => "every TCP contact",
            Self::TcpNested => {
                "TCP contacts accepted, and handshakes, in an interrupt of the tracer's own program"
            }
            Self::TcpEnd => {
                "the end of a connection for whose last state change no program was run"
            }
            Self::TcpError => {
                "why a connection failed for whose last state change no program was run, and that datagrams were refused where no send \
                 failed for that"
            }
            Self::TcpBytes => "the bytes of connections that are still open",
            Self::TcpAttempt => {
                "TCP connects that fail before a SYN, for want of a route or because they are forbidden"
            }
            Self::DatagramsOut => "every contact over UDP, ICMP, SCTP or raw IP",
            Self::DatagramReturns => {
                "the bytes of UDP that an app sends while more calls wait for room in their socket's buffer than the kernel follows: \
                 512, or where tracefs may not be written to as many as there are processors before Linux 6.2, and ten or more since; they \
                 are counted as lost (returns_missed)"
            }
            Self::DatagramCall => {
                "whom an app addressed over UDP where this machine leads the datagram elsewhere (REDIRECT, DNAT, source routes, \
                 SRv6, IPsec): it counts as the packet says"
            }
            Self::DatagramsIn => "answers, and contacts accepted, over UDP, ICMP, SCTP or raw IP",
            Self::DatagramRefused => {
                "that a datagram was not received although it arrived: its socket's queue was full"
            }
            Self::DatagramFiltered => {
                "that a datagram was not received although it arrived: its socket's own filter refused it"
            }
            Self::Associations => {
                "contacts over SCTP; at the control group they are seen as datagrams, with the bytes of their packets"
            }
            Self::Frames => {
                "frames that a program makes itself and hands to an interface (AF_PACKET)"
            }
            Self::FramesDirect => {
                "such frames when they go past the interface's queue (PACKET_QDISC_BYPASS, AF_XDP)"
            }
            Self::SocketOwner => "whose a socket is that receives datagrams before it has sent one",
            Self::RawOwner => "whose a raw socket is that receives and neither binds nor sends",
            Self::SocketEnd => {
                "the end of a contact over datagrams when its socket is closed; it ends after two minutes of silence"
            }
            Self::Names => "the names that apps say in TLS handshakes over TCP",
            Self::Lookups => {
                "names that a file or another process answers (/etc/hosts, systemd-resolved, nscd, Avahi; on Android all, where its \
                 resolver is not seen either): such a contact has the name of its handshake, or none"
            }
            Self::Proxy => {
                "names that an app asks Android's resolver for itself, past the calls of the C library that are seen (DnsResolver, \
                 android_res_nquery)"
            }
        }
    }
}
