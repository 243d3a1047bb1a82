//! What does a TLS client say first? Its ClientHello, RFC 8446 section 4.1.2, which older versions have in the same form.
//!
//! A walker of our own: it has to read the bare message, which QUIC carries, and the records of TLS, and to tell what is
//! not there yet from what never will be. Outside bytes: every read is checked, and nothing is kept but what is found.

use std::sync::Arc;

use super::{host::host, progress::Progress, reader::Reader};

#[cfg(test)]
#[path = "hello/made.rs"]
pub mod made;
#[cfg(test)]
#[path = "hello/tests.rs"]
mod tests;

/// Most bytes that a hello may have, with the headers of its records: as much as one record carries (2^14, RFC 8446 section
/// 5.1), and 51 headers. The largest in use, with keys for quantum computers, have 2 KB.
pub const LONGEST: usize = 16_384 + 255;

/// Most protocols that are kept of those that a client offers.
const MOST_PROTOCOLS: usize = 8;

/// `HandshakeType`: `client_hello`.
const CLIENT_HELLO: u8 = 1;
/// `ContentType`: `handshake`.
const HANDSHAKE: u8 = 22;
/// The major number of every version from SSL 3 on; what stands behind it must be ignored in a record.
const MAJOR: u8 = 3;
/// Most bytes of a record (RFC 8446 section 5.1).
const LONGEST_RECORD: usize = 1 << 14;

/// Extensions, by the registry of IANA.
const SERVER_NAME: u64 = 0;
const PROTOCOLS: u64 = 16;
const ENCRYPTED_CLIENT_HELLO: u64 = 0xfe0d;

/// What a client says of itself and of whom it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The server's name (SNI, RFC 6066 section 3) in lower case, without a dot at its end. `None` where there is none, or where
    /// what is there is no host name.
    pub name: Option<Arc<str>>,
    /// Protocols that the client offers (ALPN, RFC 7301), the first eight, each at most 255 bytes; replacement characters
    /// stand for what is not UTF-8.
    pub alpn: Vec<String>,
    /// Whether there is an encrypted hello behind this one, or what looks like it: nobody can tell (GREASE).
    pub ech: bool,
}

/// The handshake message that `bytes` begin with: what CRYPTO frames of QUIC carry.
pub fn message(bytes: &[u8]) -> Progress<Hello> {
    let Some([kind, length @ ..]) = bytes.first_chunk::<4>() else {
        return if bytes.first().is_none_or(|kind| *kind == CLIENT_HELLO) {
            Progress::Incomplete
        } else {
            Progress::Not
        };
    };
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    let rest = &bytes[4..];
    let is_hello = *kind == CLIENT_HELLO
        && length + 4 <= LONGEST
        && rest.first().is_none_or(|major| *major == MAJOR);
    match rest.get(..length) {
        _ if !is_hello => Progress::Not,
        None => Progress::Incomplete,
        Some(body) => hello(body).map_or(Progress::Not, Progress::Is),
    }
}

/// The first handshake message in TLS records, of which `bytes` begin with the first. Records may split it anywhere.
pub fn records(bytes: &[u8]) -> Progress<Hello> {
    let end = bytes.len().min(LONGEST);
    let mut rest = &bytes[..end];
    let mut gathered = Vec::new();
    loop {
        let Some((payload, behind)) = record(rest) else {
            return Progress::Not;
        };
        rest = behind;
        // Most hellos are in one record, and need no copy.
        let progress = if gathered.is_empty() && rest.is_empty() {
            message(payload)
        } else {
            gathered.extend_from_slice(payload);
            message(&gathered)
        };
        match progress {
            Progress::Incomplete if !rest.is_empty() => {}
            Progress::Incomplete if bytes.len() >= LONGEST => return Progress::Not,
            decided => return decided,
        }
    }
}

/// The payload of the record that `bytes` begin with, as far as it is there, and what is behind it. `None` where there is no
/// handshake record.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_at(bytes.len().min(5));
    let is_record = header.iter().zip([HANDSHAKE, MAJOR]).all(|(a, b)| *a == b);
    if !is_record {
        return None;
    }
    let &[_, _, _, high, low] = header else {
        return Some((&[], &[]));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    // An empty record of a handshake is forbidden: it would be one without end.
    (1..=LONGEST_RECORD)
        .contains(&length)
        .then(|| rest.split_at(length.min(rest.len())))
}

/// The whole message without its header.
fn hello(body: &[u8]) -> Option<Hello> {
    let mut reader = Reader::new(body);
    // Version, of which `message` has looked at the major number, and random.
    reader.take(2 + 32)?;
    let session = reader.counted(1)?;
    let suites = reader.counted(2)?;
    let compressions = reader.counted(1)?;
    if session.len() > 32
        || suites.is_empty()
        || suites.len() % 2 != 0
        || compressions.is_empty()
        || body.first() != Some(&MAJOR)
    {
        return None;
    }
    let mut hello = Hello::default();
    // Before TLS 1.3 a client may leave the extensions out (RFC 5246 section 7.4.1.2).
    if reader.is_empty() {
        return Some(hello);
    }
    let mut extensions = Reader::new(reader.counted(2)?);
    if !reader.is_empty() {
        return None;
    }
    let mut is_named = false;
    while !extensions.is_empty() {
        let kind = extensions.number(2)?;
        let content = extensions.counted(2)?;
        match kind {
            // No extension may stand there twice (RFC 8446 section 4.2), and of two names nobody knows who is meant.
            SERVER_NAME if is_named => return None,
            SERVER_NAME => {
                is_named = true;
                hello.name = server_name(content);
            }
            PROTOCOLS => hello.alpn = protocols(content),
            ENCRYPTED_CLIENT_HELLO => hello.ech = true,
            _ => {}
        }
    }
    Some(hello)
}

/// The host name in `ServerNameList`, in which there may be one name of each type. Only that type is defined.
fn server_name(content: &[u8]) -> Option<Arc<str>> {
    let mut names = Reader::new(Reader::new(content).counted(2)?);
    loop {
        let kind = names.number(1)?;
        let name = names.counted(2)?;
        if kind == 0 {
            return host(name).map(Arc::from);
        }
    }
}

fn protocols(content: &[u8]) -> Vec<String> {
    let mut list = Reader::new(Reader::new(content).counted(2).unwrap_or_default());
    std::iter::from_fn(|| list.counted(1))
        .take(MOST_PROTOCOLS)
        .map(|protocol| String::from_utf8_lossy(protocol).into_owned())
        .collect()
}
