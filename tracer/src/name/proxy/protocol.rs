//! How do a command to Android's resolver and its answer read?
//!
//! A command is words with spaces between and a zero at its end, an answer numbers and counted fields, as the sources of Android have them
//! (packages/modules/DnsResolver, `DnsProxyListener.cpp`; bionic, `libc/dns/net/getaddrinfo.c`; netd, `NetdClient.cpp`; read 2026-11-29).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tracer_common::name::ONLY_NUMBERS;

use crate::name::{
    dns::{self, Answer, Message, Question},
    host::host,
    progress::Progress,
    reader::Reader,
};

/// Addresses of an answer that are kept.
pub const ADDRESSES: usize = 64;

/// What an answer begins with that has one, and one that has none (`ResponseCode`).
pub const FOUND: &[u8] = b"222\0";
const FAILED: &[u8] = b"401\0";

// Families of addresses, the same on every architecture.
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;

/// What a program asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Addresses of a host, as `getaddrinfo` has them.
    List(String),
    /// The same, as `gethostbyname` has them.
    Host(String),
    /// Anything, as DNS has it.
    Dns(Question),
}

impl Command {
    /// The name that is asked for.
    pub fn name(&self) -> &str {
        match self {
            Self::List(name) | Self::Host(name) => name,
            Self::Dns(question) => &question.name,
        }
    }
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Addresses of a name, none where nobody knows it. At most 64.
    Addresses(String, Vec<IpAddr>),
    Dns(Answer),
}

/// What a command asks for, without the zero at its end. `None` where it asks nobody for a name.
pub fn command(text: &[u8]) -> Option<Command> {
    // More words than any has.
    let mut all = [&[][..]; 9];
    let words = text.split(|byte| *byte == b' ').zip(&mut all);
    let count = words.map(|(word, place)| *place = word).count();
    let number = |word: &[u8]| str::from_utf8(word).ok()?.parse::<i64>().ok();
    match all[..count] {
        [
            b"getaddrinfo",
            name,
            _,
            flags,
            family,
            kind,
            protocol,
            network,
        ] => {
            for word in [family, kind, protocol, network] {
                number(word)?;
            }
            // Who wishes for nothing says -1.
            let flags = i32::try_from(number(flags)?).ok()?;
            let is_text = flags != -1 && flags.cast_unsigned() & ONLY_NUMBERS != 0;
            host(name).filter(|_| !is_text).map(Command::List)
        }
        [b"gethostbyname", network, name, family] => {
            number(network).and(number(family))?;
            host(name).map(Command::Host)
        }
        [b"resnsend", network, flags, message] => {
            number(network).and(number(flags))?;
            match dns::message(&STANDARD.decode(message).ok()?)? {
                Message::Query(question) => Some(Command::Dns(question)),
                Message::Answer(_) => None,
            }
        }
        _ => None,
    }
}

/// What the resolver tells who asked for that, of all that it has said so far.
pub fn answer(command: &Command, bytes: &[u8]) -> Progress<Told> {
    let mut reader = Reader::new(bytes);
    let addresses = match command {
        Command::Dns(question) => return message(&mut reader, question),
        _ if bytes.len() < FOUND.len() => return Progress::Incomplete,
        _ if bytes.starts_with(FAILED) => failure(&mut reader),
        _ if !bytes.starts_with(FOUND) => Progress::Not,
        Command::List(_) => list(&mut reader),
        Command::Host(_) => entry(&mut reader),
    };
    match addresses {
        Progress::Is(addresses) => {
            Progress::Is(Told::Addresses(command.name().to_owned(), addresses))
        }
        Progress::Incomplete => Progress::Incomplete,
        Progress::Not => Progress::Not,
    }
}

/// `$value`, or the end: there is more to come.
macro_rules! next {
    ($value:expr) => {
        match $value {
            Some(value) => value,
            None => return Progress::Incomplete,
        }
    };
}

/// A counted error, or none.
fn failure(reader: &mut Reader<'_>) -> Progress<Vec<IpAddr>> {
    next!(reader.take(FAILED.len()));
    next!(reader.counted(4));
    Progress::Is(Vec::new())
}

/// One `addrinfo` behind another, each behind a 1, and a 0 behind the last.
fn list(reader: &mut Reader<'_>) -> Progress<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    next!(reader.take(FOUND.len()));
    loop {
        match next!(reader.number(4)) {
            0 => return Progress::Is(addresses),
            1 => {}
            _ => return Progress::Not,
        }
        // Flags, family, type, protocol.
        let [_, family, ..] = [(); 4].map(|()| reader.number(4));
        let socket = next!(reader.counted(4));
        next!(reader.counted(4));
        // Its family in the order of the machine, its port, and behind a label, where it is of IPv6, its address.
        let said = socket.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
        let address = match family {
            Some(AF_INET) => ip(socket.get(4..8)),
            Some(AF_INET6) => ip(socket.get(8..24)),
            _ => None,
        };
        match address {
            Some(address) if said.map(u64::from) == family => keep(&mut addresses, address),
            _ => return Progress::Not,
        }
    }
}

/// A `hostent`: the name, others behind it, the family and the length of the addresses, and those in sixteen bytes each.
fn entry(reader: &mut Reader<'_>) -> Progress<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    next!(reader.take(FOUND.len()));
    next!(reader.counted(4));
    while !next!(reader.counted(4)).is_empty() {}
    let (family, length) = (next!(reader.number(4)), next!(reader.number(4)));
    if !matches!((family, length), (AF_INET, 4) | (AF_INET6, 16)) {
        return Progress::Not;
    }
    loop {
        let bytes = next!(reader.counted(4));
        if bytes.is_empty() {
            return Progress::Is(addresses);
        }
        match ip(bytes.get(..length as usize)) {
            Some(address) => keep(&mut addresses, address),
            None => return Progress::Not,
        }
    }
}

/// RCODE, or an error that is negative and all there is; then a message of DNS behind its length.
fn message(reader: &mut Reader<'_>, question: &Question) -> Progress<Told> {
    let code = next!(reader.number(4)) as u32;
    if code.cast_signed() < 0 {
        return Progress::Is(Told::Addresses(question.name.clone(), Vec::new()));
    }
    match dns::message(next!(reader.counted(4))) {
        Some(Message::Answer(answer))
            if answer.question.name == question.name && answer.question.kind == question.kind =>
        {
            Progress::Is(Told::Dns(answer))
        }
        _ => Progress::Not,
    }
}

fn keep(addresses: &mut Vec<IpAddr>, address: IpAddr) {
    if addresses.len() < ADDRESSES && !addresses.contains(&address) {
        addresses.push(address);
    }
}

fn ip(bytes: Option<&[u8]>) -> Option<IpAddr> {
    let bytes = bytes?;
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).to_canonical())
}
