//! Which name does a DNS message ask for, and which addresses has it? RFC 1035; mDNS (RFC 6762) and LLMNR (RFC 4795) have the
//! same form.
//!
//! The library reads the records of interest, in a copy that has no others (`plain.rs`).

mod ech;
mod name;
mod plain;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::{
    CLASS, Packet, ResourceRecord,
    rdata::{RData, SVCB, SVCParam},
};

#[cfg(test)]
#[path = "dns/made.rs"]
pub mod made;
#[cfg(test)]
#[path = "dns/tests.rs"]
mod tests;

/// Most records of a section that are read.
const MOST_RECORDS: u16 = 256;
/// Most names of a chain of CNAMEs. Resolvers follow 8 to 16.
const LONGEST_CHAIN: usize = 16;
/// Most addresses of a message that are kept.
const MOST_ADDRESSES: usize = 64;
/// Most public names of a message that are kept.
const MOST_PUBLIC_NAMES: usize = 8;

/// Bits of the header's second word: QR, OPCODE, TC, the reserved one, RCODE (RFC 1035 section 4.1.1).
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TRUNCATED: u16 = 0x0200;
const RESERVED: u16 = 0x0040;
const CODE: u16 = 0x000f;

/// Where the header has these bits, where it counts questions, answers, authorities and additional records, and where it ends, in bytes.
const FLAGS: usize = 2;
const QUESTIONS: usize = 4;
const ANSWERS: usize = 6;
const AUTHORITIES: usize = 8;
const ADDITIONAL: usize = 10;
const HEADER: usize = 12;

/// What somebody wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The message's number, which the answer repeats.
    pub id: u16,
    /// In lower case, without a dot at its end, A-labels as they are. What is no printable ASCII, and dots in a label, are
    /// escaped as in a zone's file (RFC 4343 section 2.1). The root is `.`.
    pub name: String,
    /// QTYPE.
    pub kind: u16,
}

/// What somebody was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub question: Question,
    /// The names to which CNAMEs lead from the question's, in order; the last one has the addresses. Empty where the
    /// question's own has them. Written as that; at most 16.
    pub chain: Vec<String>,
    /// Addresses (A, AAAA, and hints of HTTPS and SVCB) of the end of the chain, and how long they hold, in seconds: the least
    /// along the chain. An IPv4 address that is mapped into IPv6 is IPv4. At most 64, each once.
    pub addresses: Vec<(IpAddr, u32)>,
    /// Whether there is more that did not fit (TC). What is there is not taken then: whoever asked asks again.
    pub truncated: bool,
    /// RCODE, 0 to 15.
    pub code: u8,
    /// Names that clients show in place of the real one where they encrypt their hello: those of the `ech` parameters of
    /// HTTPS and SVCB records. At most 8, each once.
    pub public_names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Query(Question),
    Answer(Answer),
}

/// The message in a datagram, or in a stream behind its length. `None` where it is none, or has not exactly one question, or
/// does not ask for something of the Internet. What stands behind its answers is not looked at.
pub fn message(bytes: &[u8]) -> Option<Message> {
    let flags = number(bytes, FLAGS)?;
    if flags & OPCODE != 0 || number(bytes, QUESTIONS)? != 1 {
        return None;
    }
    let is_response = flags & RESPONSE != 0;
    let truncated = flags & TRUNCATED != 0;
    // The type and the class are behind the name.
    let kind_at = name::end(bytes, HEADER)?;
    let kind = number(bytes, kind_at)?;
    if number(bytes, kind_at + 2)? & plain::CLASS_BITS != CLASS::IN as u16 {
        return None;
    }
    let copy = plain::plain(bytes, is_response && !truncated, false)?;
    let packet = Packet::parse(&copy).ok()?;
    let question = Question {
        id: packet.id(),
        name: name::text(&packet.questions.first()?.qname),
        kind,
    };
    if !is_response {
        return Some(Message::Query(question));
    }
    let mut answer = Answer {
        question,
        chain: Vec::new(),
        addresses: Vec::new(),
        truncated,
        code: (flags & CODE) as u8,
        public_names: Vec::new(),
    };
    answer.take(&packet.answers);
    Some(Message::Answer(answer))
}

/// What somebody told unasked: each name that has addresses, with them and how long they hold, in seconds. For mDNS and
/// LLMNR, where an answer need not repeat a question and has addresses among its additional records too. At most 64; none of
/// those that its host withdraws (RFC 6762 section 10.1).
pub fn announcements(bytes: &[u8]) -> Vec<(String, IpAddr, u32)> {
    announced(bytes).unwrap_or_default()
}

fn announced(bytes: &[u8]) -> Option<Vec<(String, IpAddr, u32)>> {
    let flags = number(bytes, FLAGS)?;
    if flags & RESPONSE == 0 || flags & (OPCODE | TRUNCATED) != 0 {
        return None;
    }
    let copy = plain::plain(bytes, true, true)?;
    let packet = Packet::parse(&copy).ok()?;
    let records = packet.answers.iter().chain(&packet.additional_records);
    let addresses = records
        .filter_map(|record| Some((record, address(&record.rdata)?, seconds(record))))
        .filter(|(_, _, seconds)| *seconds > 0)
        .map(|(record, address, seconds)| (name::text(&record.name), address, seconds));
    Some(addresses.take(MOST_ADDRESSES).collect())
}

/// The messages of a stream as far as it is there (RFC 1035 section 4.2.2): `each` is called with every complete one. Returns
/// how many bytes they took, with their lengths.
pub fn in_stream(bytes: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut taken = 0;
    while let Some((length, rest)) = bytes[taken..].split_first_chunk::<2>()
        && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*length)))
    {
        each(message);
        taken += 2 + message.len();
    }
    taken
}

impl Answer {
    fn take(&mut self, records: &[ResourceRecord<'_>]) {
        let records: Vec<_> = records
            .iter()
            .map(|record| (name::text(&record.name), record))
            .collect();
        let mut owner = self.question.name.clone();
        let mut least = u32::MAX;
        while let Some((target, seconds)) = alias(&records, &owner) {
            // A chain in a circle, or an endless one, has no end with addresses.
            if self.chain.len() == LONGEST_CHAIN || self.chain.contains(&target) {
                return;
            }
            least = least.min(seconds);
            self.chain.push(target.clone());
            owner = target;
        }
        for (_, record) in records.iter().filter(|(name, _)| *name == owner) {
            let seconds = least.min(seconds(record));
            match &record.rdata {
                RData::HTTPS(binding) => self.take_binding(binding, seconds),
                RData::SVCB(binding) => self.take_binding(binding, seconds),
                data => self.add(address(data), seconds),
            }
        }
    }

    /// A service's parameters (RFC 9460).
    fn take_binding(&mut self, binding: &SVCB<'_>, seconds: u32) {
        for parameter in binding.iter_params() {
            match parameter {
                SVCParam::Ipv4Hint(hints) => hints
                    .iter()
                    .for_each(|hint| self.add(Some(Ipv4Addr::from(*hint).into()), seconds)),
                SVCParam::Ipv6Hint(hints) => hints
                    .iter()
                    .for_each(|hint| self.add(Some(canonical(*hint)), seconds)),
                SVCParam::Ech(configurations) => {
                    for name in ech::public_names(configurations) {
                        if self.public_names.len() < MOST_PUBLIC_NAMES
                            && !self.public_names.contains(&name)
                        {
                            self.public_names.push(name);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, address: Option<IpAddr>, seconds: u32) {
        if let Some(address) = address
            && self.addresses.len() < MOST_ADDRESSES
            && self.addresses.iter().all(|(known, _)| *known != address)
        {
            self.addresses.push((address, seconds));
        }
    }
}

/// To whom a name's CNAME leads, and how long that holds, in seconds.
fn alias(records: &[(String, &ResourceRecord<'_>)], owner: &str) -> Option<(String, u32)> {
    records
        .iter()
        .filter(|(name, _)| name == owner)
        .find_map(|(_, record)| match &record.rdata {
            RData::CNAME(target) => Some((name::text(target), seconds(record))),
            _ => None,
        })
}

fn address(data: &RData<'_>) -> Option<IpAddr> {
    match data {
        RData::A(data) => Some(Ipv4Addr::from(data.address).into()),
        RData::AAAA(data) => Some(canonical(data.address)),
        _ => None,
    }
}

fn canonical(address: u128) -> IpAddr {
    Ipv6Addr::from(address).to_canonical()
}

/// A time beyond 2^31 seconds is none (RFC 2181 section 8).
fn seconds(record: &ResourceRecord<'_>) -> u32 {
    if record.ttl > i32::MAX as u32 {
        0
    } else {
        record.ttl
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}
