//! The table of hooks: which program learns which signal, and where it is attached.
//!
//! A test compares this table with the built object, so neither can drift. The order within a signal is the order of
//! preference.

/// What we want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Attempts, handshakes, failures with their reasons and ends of TCP connections.
    TcpLife,
    /// The end of a TCP connection whose state change was missed.
    TcpEnd,
    /// Why a TCP connection failed whose state change was missed.
    TcpError,
    /// How much passed over open TCP connections.
    TcpBytes,
}

impl Signal {
    /// The value of the label `signal`.
    pub fn label(self) -> &'static str {
        match self {
            Self::TcpLife => "tcp_life",
            Self::TcpEnd => "tcp_end",
            Self::TcpError => "tcp_error",
            Self::TcpBytes => "tcp_bytes",
        }
    }

    /// What nobody sees when no hook serves this signal.
    pub fn unseen(self) -> &'static str {
        match self {
            Self::TcpLife => "every TCP contact",
            Self::TcpEnd => {
                "the end of a connection whose last state change interrupts the tracer's own program"
            }
            Self::TcpError => {
                "why a connection failed whose last state change interrupts the tracer's own program"
            }
            Self::TcpBytes => "the bytes of connections that are still open",
        }
    }
}

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A raw tracepoint, by its name; since 4.17.
    RawTracepoint(&'static str),
    /// Nowhere: user space runs it when it wants an answer (`BPF_PROG_TEST_RUN`); since 5.10.
    OnDemand,
}

impl Attach {
    /// The value of the label `hook`.
    pub fn label(self) -> &'static str {
        match self {
            Self::RawTracepoint(name) => name,
            Self::OnDemand => "on_demand",
        }
    }
}

/// One way to learn one signal.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Name of the program in the object.
    pub program: &'static str,
    pub attach: Attach,
    pub gives: Signal,
    /// Whether the main job cannot run without its signal.
    pub required: bool,
}

/// All of them.
pub const HOOKS: &[Hook] = &[
    Hook {
        program: "tcp_life",
        attach: Attach::RawTracepoint("inet_sock_set_state"),
        gives: Signal::TcpLife,
        required: true,
    },
    Hook {
        program: "tcp_end",
        attach: Attach::RawTracepoint("tcp_destroy_sock"),
        gives: Signal::TcpEnd,
        required: false,
    },
    Hook {
        program: "tcp_error",
        attach: Attach::RawTracepoint("inet_sk_error_report"),
        gives: Signal::TcpError,
        required: false,
    },
    Hook {
        program: "sample",
        attach: Attach::OnDemand,
        gives: Signal::TcpBytes,
        required: true,
    },
];
