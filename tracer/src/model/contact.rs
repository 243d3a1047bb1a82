//! A contact as a value: all that is known of one, while it lives and after it has ended.

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
    sync::Arc,
};

use tracer_common::Address;

use super::{Destination, Direction, Identity, Program, Protocol};

/// One end of a contact. Each part may be unknown without the other; a protocol without ports has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Never an IPv4 address written as v4-mapped IPv6.
    pub address: Option<IpAddr>,
    pub port: Option<u16>,
}

/// What tells a contact from every other one, live or ended, as the kernel side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// As [`tracer_common::Record::socket`].
    pub socket: u64,
    /// `CLOCK_MONOTONIC` nanoseconds at which it began.
    pub began_ns: u64,
    /// The remote's.
    pub address: Address,
    /// The remote's; 0 of a connection, whose socket has one remote.
    pub port: u16,
}

impl Hash for Id {
    /// By what hardly two have in common: of each contact this is asked a dozen times.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.socket, self.began_ns).hash(state);
    }
}

/// How the name of a destination is known: the label `name_source`, which is `none` where there is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameSource {
    /// The TLS handshake of this very connection said it.
    Sni,
    /// The QUIC handshake of this very flow said it.
    Quic,
    /// This app asked for the name and was told this address.
    Lookup,
    /// Somebody on this machine asked for the name and was told this address.
    Dns,
}

impl NameSource {
    pub const ALL: [Self; 4] = [Self::Sni, Self::Quic, Self::Lookup, Self::Dns];

    /// The value of the label `name_source`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sni => "sni",
            Self::Quic => "quic",
            Self::Lookup => "lookup",
            Self::Dns => "dns",
        }
    }
}

/// The name of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub text: Arc<str>,
    pub source: NameSource,
}

/// One name that a contact's destination may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub name: Name,
    /// Nanoseconds at which it was said: since the Unix epoch, or, before a contact has it, of `CLOCK_MONOTONIC`.
    pub at: u64,
    /// Bytes before the hello that said it, in the stream: more than none means that who was contacted may have led it on (a proxy).
    pub offset: Option<u32>,
    /// The names behind it that led to the address (CNAME).
    pub chain: Arc<[Arc<str>]>,
}

/// What is known of the name of a contact's destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The strongest first.
    pub candidates: Vec<Candidate>,
    /// Whether its handshake was seen, which may have said no name.
    pub hello: bool,
    /// The protocols that the handshake offers (ALPN).
    pub alpn: Vec<String>,
    /// The handshake has the extension of ECH: then the name that it shows may be another one than it is for.
    pub ech: bool,
}

/// Who controls the name of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The company: the label `company`.
    pub company: &'static str,
    /// Whoever controls that in the end, where it is another one.
    pub parent: Option<&'static str>,
}

/// How a program asked for a name: the label `via`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// A question of DNS, over its own socket.
    Dns,
    /// A call of its C library, whatever that asks.
    Library,
    /// A question to Android's resolver, past the calls of the C library that are seen.
    Proxy,
}

impl Via {
    pub fn label(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Library => "getaddrinfo",
            Self::Proxy => "dnsproxyd",
        }
    }
}

/// How a contact came past the device's own resolver: the label `kind` of `tracer_resolver_bypass_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// It is with a listed resolver over HTTPS.
    Doh,
    /// It is with port 853: DNS over TLS or QUIC.
    Dot,
    /// It is with a listed resolver that has an API of its own over HTTP.
    HttpDns,
    /// It says a name that nobody on this machine asked for.
    NoLookup,
}

impl Bypass {
    pub const ALL: [Self; 4] = [Self::Doh, Self::Dot, Self::HttpDns, Self::NoLookup];

    /// The value of the label `kind`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Doh => "doh",
            Self::Dot => "dot",
            Self::HttpDns => "httpdns",
            Self::NoLookup => "no_lookup",
        }
    }
}

/// What became of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nobody saw, or the kernel side had no room to follow it.
    #[default]
    Unknown,
    /// Begun, and neither established nor failed yet.
    Connecting,
    /// Established, and not ended yet.
    Open,
    /// Established, and ended.
    Closed,
    /// Ended without being established. An index into [`tracer_common::outcome::NAMES`].
    Failed(u8),
}

/// What few contacts have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// To whom this machine led what was sent, in place of the remote (REDIRECT, DNAT).
    pub translated: Option<Endpoint>,
    /// The interface or VRF that its socket is bound to, or that of a link-local remote: its name, or its index where that has none any
    /// more.
    pub interface: Option<Box<str>>,
    /// It was seen in a sockmap: its bytes are those alone that went through TCP.
    pub past_tcp: bool,
}

/// One contact. What is `None` is not known; nothing is guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Grows with the moment at which a contact is first seen. It never changes, and no two contacts share one.
    pub id: u64,
    /// Who made or accepted it. `None` where nobody could be named.
    pub identity: Option<Arc<Identity>>,
    /// Which program made or accepted it.
    pub program: Option<Arc<Program>>,
    /// Under which destination it is summed; its port is the remote's where it was begun here, the local one where it was
    /// accepted.
    pub destination: Destination,
    /// The name of the destination.
    pub name: Option<Name>,
    /// What that stands on.
    pub naming: Option<Arc<Naming>>,
    /// Who controls the name.
    pub owner: Option<Owner>,
    /// How it came past the device's resolver. `None` where it did not, or that is not known.
    pub bypass: Option<Bypass>,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub detail: Option<Box<Detail>>,
    pub direction: Direction,
    pub protocol: Protocol,
    /// Inode number of the network namespace.
    pub namespace: Option<u32>,
    /// Nanoseconds since the Unix epoch: the SYN, or the first datagram. Pages are in this order, so it must not change:
    /// whoever makes the contact converts the kernel's clock once, not at each reading.
    pub began: Option<u64>,
    /// Nanoseconds since the Unix epoch: the end of the handshake; nobody notes the first answer to a datagram.
    pub established: Option<u64>,
    /// Nanoseconds since the Unix epoch.
    pub ended: Option<u64>,
    pub outcome: Outcome,
    /// Payload bytes that left.
    pub sent: Option<u64>,
    /// Payload bytes that arrived.
    pub received: Option<u64>,
}

impl Contact {
    /// A contact of which nothing else is known.
    pub fn new(id: u64, direction: Direction, protocol: Protocol) -> Self {
        Self {
            id,
            identity: None,
            program: None,
            destination: Destination::Unknown,
            name: None,
            naming: None,
            owner: None,
            bypass: None,
            local: Endpoint::default(),
            remote: Endpoint::default(),
            detail: None,
            direction,
            protocol,
            namespace: None,
            began: None,
            established: None,
            ended: None,
            outcome: Outcome::Unknown,
            sent: None,
            received: None,
        }
    }
}
