//! The table of hooks: which program learns which signal, and where it is attached.
//!
//! A test compares this table with the built object, so neither can drift. The order within a signal is the order of
//! preference.

use super::{signal::Signal, typed::Typed};

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A raw tracepoint, by its name; since 4.17.
    RawTracepoint(&'static str),
    /// One that has a program already, for what the kernel did not run that for.
    RawTracepointNested {
        /// The value of the label `hook`.
        label: &'static str,
        name: &'static str,
        /// The programs that it is behind; one of them is there.
        behind: &'static [&'static str],
    },
    /// A tracepoint as perf has it, by its category and name, behind the value of the label `hook`; since 4.7.
    PerfTracepoint(&'static str, &'static str, &'static str),
    /// One whose arguments' types the verifier knows, by its name; since 5.5, with BTF.
    BtfTracepoint(&'static str),
    /// Nowhere: user space runs it when it wants an answer (`BPF_PROG_TEST_RUN`); since 5.10.
    OnDemand,
    /// The root of the unified control group hierarchy, beside whatever else is there; by a link, since 5.7.
    Cgroup(Cgroup),
    /// The entry of kernel functions, whichever of them there are; the first must be.
    Kprobe(&'static [&'static str]),
    /// The entry of one, by the name that it has and by the one that it had before.
    RenamedKprobe(&'static str, &'static str),
    /// Their return, and the value of the label `hook`.
    Kretprobe(&'static str, &'static [&'static str]),
    /// The entry of a function whose types the verifier knows, and the value of the label `hook`; since 5.5, with BTF.
    Fentry(&'static str, &'static str),
    /// The return of a function whose types the verifier knows, and the value of the label `hook`; since 5.5, with BTF.
    Fexit(&'static str, &'static str),
    /// The entry of functions of each C library that is found (`lookups`), and the value of the label `hook`.
    Uprobe(&'static str),
    /// Their return, and the same.
    Uretprobe(&'static str),
}

/// Which kind of hooks watch datagrams. Only one kind serves at a time: both would count everything twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Kprobes: beside whatever else is on the machine. Android needs them, and most kernels have them.
    Tracing,
    /// Programs at the root control group.
    Cgroup,
}

/// What a program at a control group is asked about (`enum bpf_attach_type`, include/uapi/linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroup {
    Ingress = 0,
    Egress = 1,
    SockCreate = 2,
    Connect4 = 10,
    Connect6 = 11,
    PostBind4 = 12,
    PostBind6 = 13,
    Sendmsg4 = 14,
    Sendmsg6 = 15,
    SockRelease = 34,
}

impl Attach {
    /// The value of the label `hook`.
    pub fn label(self) -> &'static str {
        match self {
            Self::RawTracepoint(name) | Self::BtfTracepoint(name) => name,
            Self::OnDemand => "on_demand",
            Self::Cgroup(Cgroup::Ingress) => "cgroup_ingress",
            Self::Cgroup(Cgroup::Egress) => "cgroup_egress",
            Self::Cgroup(Cgroup::Connect4) => "cgroup_connect4",
            Self::Cgroup(Cgroup::Connect6) => "cgroup_connect6",
            Self::Cgroup(Cgroup::PostBind4) => "cgroup_post_bind4",
            Self::Cgroup(Cgroup::PostBind6) => "cgroup_post_bind6",
            Self::Cgroup(Cgroup::Sendmsg4) => "cgroup_sendmsg4",
            Self::Cgroup(Cgroup::Sendmsg6) => "cgroup_sendmsg6",
            Self::Cgroup(Cgroup::SockCreate) => "cgroup_sock_create",
            Self::Cgroup(Cgroup::SockRelease) => "cgroup_sock_release",
            Self::Kprobe(functions) => functions[0],
            Self::RawTracepointNested { label, .. }
            | Self::PerfTracepoint(label, ..)
            | Self::Fentry(label, _)
            | Self::Fexit(label, _)
            | Self::RenamedKprobe(label, _)
            | Self::Kretprobe(label, _)
            | Self::Uprobe(label)
            | Self::Uretprobe(label) => label,
        }
    }

    /// By what type it is attached, if by one.
    pub fn typed(self) -> Option<Typed<'static>> {
        match self {
            Self::BtfTracepoint(name) => Some(Typed::Tracepoint(name)),
            Self::Fentry(_, function) | Self::Fexit(_, function) => Some(Typed::Function(function)),
            _ => None,
        }
    }

    /// The kind that it is of; `None` where it serves beside either.
    pub fn way(self) -> Option<Way> {
        match self {
            Self::RawTracepoint(_)
            | Self::RawTracepointNested { .. }
            | Self::PerfTracepoint(..)
            | Self::BtfTracepoint(_)
            | Self::OnDemand
            | Self::Uprobe(_)
            | Self::Uretprobe(_) => None,
            Self::Cgroup(_) => Some(Way::Cgroup),
            Self::Kprobe(_)
            | Self::RenamedKprobe(..)
            | Self::Kretprobe(..)
            | Self::Fentry(..)
            | Self::Fexit(..) => Some(Way::Tracing),
        }
    }
}

/// Functions that send a datagram.
const SENDING: &[&str] = &[
    "udp_sendmsg",
    "udpv6_sendmsg",
    "ping_v4_sendmsg",
    "ping_v6_sendmsg",
    "raw_sendmsg",
    "rawv6_sendmsg",
];

/// What is missing where a hook does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The main job: it cannot run without.
    Job,
    /// The whole of its kind of hooks, if it is of one: the other kind is better than a part of this one.
    Kind,
    /// Nothing but its signal.
    Signal,
}

/// Where a hook has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Everywhere,
    /// Where a task may preempt a program at a tracepoint, and the kernel skips that for it: from Linux 7 on.
    WherePreempted,
    /// On a device of Android.
    OnPhones,
    /// Where this kind of hooks watches datagrams.
    With(Way),
    /// Where this program, which stands before it, is not attached.
    Without(&'static str),
}

/// One way to learn one signal.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Name of the program in the object.
    pub program: &'static str,
    pub attach: Attach,
    pub gives: Signal,
    pub need: Need,
    pub place: Place,
}

impl Hook {
    const fn only(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

const fn required(program: &'static str, attach: Attach, gives: Signal) -> Hook {
    Hook {
        program,
        attach,
        gives,
        need: Need::Job,
        place: Place::Everywhere,
    }
}

const fn hook(program: &'static str, attach: Attach, gives: Signal) -> Hook {
    Hook {
        program,
        attach,
        gives,
        need: Need::Kind,
        place: Place::Everywhere,
    }
}

const fn extra(program: &'static str, attach: Attach, gives: Signal) -> Hook {
    Hook {
        program,
        attach,
        gives,
        need: Need::Signal,
        place: Place::Everywhere,
    }
}

/// All of them.
pub const HOOKS: &[Hook] = &[
    hook(
        "tcp_end",
        Attach::RawTracepoint("tcp_destroy_sock"),
        Signal::TcpEnd,
    ),
    hook(
        "tcp_end_kept",
        Attach::PerfTracepoint("tcp_destroy_sock_kept", "tcp", "tcp_destroy_sock"),
        Signal::TcpEnd,
    )
    .only(Place::WherePreempted),
    hook(
        "tcp_error",
        Attach::RawTracepoint("inet_sk_error_report"),
        Signal::TcpError,
    ),
    hook(
        "tcp_error_told",
        Attach::Kprobe(&["sock_def_error_report"]),
        Signal::TcpError,
    )
    .only(Place::Without("tcp_error")),
    hook(
        "tcp_error_again",
        Attach::RawTracepointNested {
            label: "inet_sk_error_report_nested",
            name: "inet_sk_error_report",
            behind: &["tcp_error"],
        },
        Signal::TcpError,
    )
    .only(Place::WherePreempted),
    // Behind those that see the ends it misses: from its first connection on they are there.
    hook(
        "tcp_unpreempted",
        Attach::PerfTracepoint("inet_sock_set_state", "sock", "inet_sock_set_state"),
        Signal::TcpLife,
    )
    .only(Place::WherePreempted),
    required(
        "tcp_life",
        Attach::RawTracepoint("inet_sock_set_state"),
        Signal::TcpLife,
    )
    .only(Place::Without("tcp_unpreempted")),
    // Behind them: on kernels that do run a program in the middle of itself, it has to find that done.
    hook(
        "tcp_nested",
        Attach::RawTracepointNested {
            label: "inet_sock_set_state_nested",
            name: "inet_sock_set_state",
            behind: &["tcp_unpreempted", "tcp_life"],
        },
        Signal::TcpNested,
    ),
    required("sample", Attach::OnDemand, Signal::TcpBytes),
    hook("resolve", Attach::OnDemand, Signal::TcpAttempt),
    hook(
        "connect_begins",
        Attach::Kprobe(&["inet_stream_connect"]),
        Signal::TcpAttempt,
    ),
    hook(
        "connect_ends",
        Attach::Kretprobe("inet_stream_connect_return", &["inet_stream_connect"]),
        Signal::TcpAttempt,
    ),
    hook(
        "connect4",
        Attach::Cgroup(Cgroup::Connect4),
        Signal::TcpAttempt,
    ),
    hook(
        "connect6",
        Attach::Cgroup(Cgroup::Connect6),
        Signal::TcpAttempt,
    ),
    hook(
        "socket_taken",
        Attach::Kprobe(&["inet_bind", "inet6_bind", "inet_dgram_connect"]),
        Signal::SocketOwner,
    ),
    extra(
        "raw_made",
        // Since 6.0, and before.
        Attach::RenamedKprobe("raw_sk_init", "raw_init"),
        Signal::RawOwner,
    ),
    extra(
        "raw6_made",
        Attach::Kprobe(&["rawv6_init_sk"]),
        Signal::RawOwner,
    ),
    hook(
        "socket_released",
        Attach::Kprobe(&["sk_common_release"]),
        Signal::SocketEnd,
    ),
    hook(
        "datagram_out",
        Attach::Kprobe(SENDING),
        Signal::DatagramsOut,
    ),
    hook(
        "datagram_sent",
        Attach::Kretprobe("udp_sendmsg_return", SENDING),
        Signal::DatagramsOut,
    ),
    extra(
        "datagram_sent4",
        Attach::Fexit("udp_sendmsg_exit", "udp_sendmsg"),
        Signal::DatagramReturns,
    ),
    extra(
        "datagram_sent6",
        Attach::Fexit("udpv6_sendmsg_exit", "udpv6_sendmsg"),
        Signal::DatagramReturns,
    ),
    extra(
        "stream_said",
        Attach::Kprobe(&["tcp_sendmsg"]),
        Signal::Names,
    ),
    extra(
        "datagram_queued",
        Attach::Fentry(
            "__udp_enqueue_schedule_skb_entry",
            "__udp_enqueue_schedule_skb",
        ),
        Signal::DatagramsIn,
    ),
    hook(
        "datagram_in",
        Attach::Kprobe(&["__udp_enqueue_schedule_skb"]),
        Signal::DatagramsIn,
    )
    .only(Place::Without("datagram_queued")),
    hook(
        "raw_in",
        // Since 5.18, and before.
        Attach::RenamedKprobe("sock_queue_rcv_skb_reason", "sock_queue_rcv_skb"),
        Signal::DatagramsIn,
    ),
    hook(
        "socket_bound4",
        Attach::Cgroup(Cgroup::PostBind4),
        Signal::SocketOwner,
    ),
    hook(
        "socket_bound6",
        Attach::Cgroup(Cgroup::PostBind6),
        Signal::SocketOwner,
    ),
    extra(
        "socket_made",
        Attach::Cgroup(Cgroup::SockCreate),
        Signal::RawOwner,
    ),
    hook(
        "socket_closed",
        Attach::Cgroup(Cgroup::SockRelease),
        Signal::SocketEnd,
    ),
    // Before what leaves is seen: nothing that does has an unknown call then.
    extra(
        "call4",
        Attach::Cgroup(Cgroup::Sendmsg4),
        Signal::DatagramCall,
    ),
    extra(
        "call6",
        Attach::Cgroup(Cgroup::Sendmsg6),
        Signal::DatagramCall,
    ),
    hook(
        "packet_out",
        Attach::Cgroup(Cgroup::Egress),
        Signal::DatagramsOut,
    ),
    hook(
        "packet_in",
        Attach::Cgroup(Cgroup::Ingress),
        Signal::DatagramsIn,
    ),
    hook(
        "datagram_refused",
        Attach::RawTracepoint("udp_fail_queue_rcv_skb"),
        Signal::DatagramRefused,
    ),
    hook(
        "raw_refused",
        Attach::RawTracepoint("sock_rcvqueue_full"),
        Signal::DatagramRefused,
    ),
    // Kprobes see a datagram behind the filter.
    extra(
        "datagram_filtered",
        Attach::RawTracepoint("kfree_skb"),
        Signal::DatagramFiltered,
    )
    .only(Place::With(Way::Cgroup)),
    extra(
        "frame_out",
        Attach::BtfTracepoint("net_dev_queue"),
        Signal::Frames,
    ),
    extra(
        "association_begins",
        Attach::Kprobe(&["sctp_primitive_ASSOCIATE"]),
        Signal::Associations,
    ),
    extra(
        "association_changes",
        Attach::Kprobe(&["sctp_ulpevent_make_assoc_change"]),
        Signal::Associations,
    ),
    extra(
        "association_ends",
        Attach::Kprobe(&["sctp_association_free"]),
        Signal::Associations,
    ),
    extra(
        "association_out",
        Attach::Kprobe(&["sctp_outq_tail"]),
        Signal::Associations,
    ),
    extra(
        "association_in",
        Attach::Kprobe(&["sctp_ulpevent_make_rcvmsg"]),
        Signal::Associations,
    ),
    extra(
        "frame_out_directly",
        Attach::Kprobe(&["__dev_direct_xmit"]),
        Signal::FramesDirect,
    ),
    extra(
        "proxy_said",
        Attach::Kprobe(&["unix_stream_sendmsg"]),
        Signal::Proxy,
    )
    .only(Place::OnPhones),
    extra(
        "name_answered",
        Attach::Uretprobe("lookup_return"),
        Signal::Lookups,
    ),
    extra(
        "addresses_asked",
        Attach::Uprobe("getaddrinfo"),
        Signal::Lookups,
    ),
    extra(
        "addresses_asked_bionic",
        Attach::Uprobe("bionic_getaddrinfo"),
        Signal::Lookups,
    ),
    extra(
        "addresses_asked_context",
        Attach::Uprobe("android_getaddrinfofornetcontext"),
        Signal::Lookups,
    ),
    extra(
        "addresses_asked_network",
        Attach::Uprobe("android_getaddrinfofornet"),
        Signal::Lookups,
    ),
    extra(
        "host_asked",
        Attach::Uprobe("gethostbyname"),
        Signal::Lookups,
    ),
    extra(
        "host_asked_reentrant",
        Attach::Uprobe("gethostbyname_r"),
        Signal::Lookups,
    ),
    extra(
        "host_asked_reentrant_family",
        Attach::Uprobe("gethostbyname2_r"),
        Signal::Lookups,
    ),
];
