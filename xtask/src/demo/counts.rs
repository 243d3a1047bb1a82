//! How many bytes did a client send and receive, by what it says itself?

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Contacts, and payload of TCP or UDP that passed in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub contacts: u64,
    pub sent: u64,
    pub received: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.contacts += other.contacts;
        self.sent += other.sent;
        self.received += other.received;
    }
}

/// What precedes each record of TLS: its kind, its version, and its length in two bytes.
const HEADER: u64 = 5;

/// The whole length of the record that a line of hexadecimal bytes is the header of.
fn record(bytes: &str) -> Option<u64> {
    let bytes: Option<Vec<u64>> = bytes
        .split_whitespace()
        .take(HEADER as usize)
        .map(|byte| u64::from_str_radix(byte, 16).ok())
        .collect();
    match bytes?[..] {
        // A message of five bytes begins otherwise.
        [20..=23, 3, _, high, low] => Some(HEADER + high * 256 + low),
        _ => None,
    }
}

/// Of curl's `--trace`: each record's header is a piece of five bytes.
pub fn of_curl(trace: &str) -> Counts {
    let mut counts = one();
    let mut lines = trace.lines();
    while let Some(line) = lines.next() {
        let sum = match line {
            "=> Send SSL data, 5 bytes (0x5)" => &mut counts.sent,
            "<= Recv SSL data, 5 bytes (0x5)" => &mut counts.received,
            _ => continue,
        };
        let bytes = lines.next().and_then(|line| line.strip_prefix("0000: "));
        *sum += bytes.and_then(record).unwrap_or_default();
    }
    counts
}

/// Of `openssl s_client -msg`.
pub fn of_openssl(messages: &str) -> Counts {
    let mut counts = one();
    let mut lines = messages.lines();
    while let Some(line) = lines.next() {
        if !line.contains(", RecordHeader [length 0005]") {
            continue;
        }
        let length = lines.next().and_then(record).unwrap_or_default();
        if line.starts_with(">>>") {
            counts.sent += length;
        } else {
            counts.received += length;
        }
    }
    counts
}

/// Of ngtcp2's client: a line for each datagram, or for several of one size that the kernel cuts.
pub fn of_quic(log: &str) -> Counts {
    let mut counts = one();
    for line in log.lines() {
        let sum = if line.starts_with("Sent packet: ") {
            &mut counts.sent
        } else if line.starts_with("Received packet: ") {
            &mut counts.received
        } else {
            continue;
        };
        let mut words = line.split(' ').rev();
        let length = words.nth(1).and_then(|word| word.parse().ok());
        *sum += length.unwrap_or(0);
    }
    counts
}

/// Questions to the name server and its answers, by name, of its log.
pub fn of_unbound(log: &str) -> BTreeMap<String, Counts> {
    let mut all: BTreeMap<String, Counts> = BTreeMap::new();
    for line in log.lines() {
        let Some((_, said)) = line.split_once(" info: ") else {
            continue;
        };
        // Who asked, the name, kind and class of what was asked; in answers, the outcome, how long it took, whether it was known, the size.
        let words: Vec<&str> = said.split(' ').collect();
        let [_, name, _, "IN", _, _, _, size] = words[..] else {
            continue;
        };
        let (Some(name), Ok(size)) = (name.strip_suffix('.'), size.parse::<u64>()) else {
            continue;
        };
        let counts = all.entry(name.to_owned()).or_default();
        counts.contacts += 1;
        counts.sent += question(name);
        counts.received += size;
    }
    all
}

/// The size of a question for a name as RFC 1035 has it, without any option: a header, the labels each behind its length, an end, and kind
/// and class.
fn question(name: &str) -> u64 {
    12 + name.len() as u64 + 2 + 4
}

fn one() -> Counts {
    Counts {
        contacts: 1,
        ..Counts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Counts, sent: u64, received: u64) {
        let contacts = 1;
        assert_eq!(
            found,
            Counts {
                contacts,
                sent,
                received
            }
        );
    }

    #[test]
    fn the_records_of_a_trace_of_curl_are_added_up() {
        let trace = "\
            == Info: Connected to a.example\n\
            => Send SSL data, 5 bytes (0x5)\n0000: 16 03 01 02 00                                  .....\n\
            => Send SSL data, 512 bytes (0x200)\n0000: 01 00 01 fc\n\
            <= Recv SSL data, 5 bytes (0x5)\n0000: 17 03 03 00 45                                  ....E\n\
            <= Recv SSL data, 1 bytes (0x1)\n0000: 16\n\
            <= Recv SSL data, 5 bytes (0x5)\n0000: 18 00 00 01 00                                  .....\n";
        check(of_curl(trace), 517, 74);
    }

    #[test]
    fn the_records_of_openssl_are_added_up() {
        let messages = "\
            >>> TLS 1.0, RecordHeader [length 0005]\n    16 03 01 01 36\n\
            >>> TLS 1.3, Handshake [length 0136], ClientHello\n    01 00 01 32\n\
            <<< TLS 1.2, RecordHeader [length 0005]\n    14 03 03 00 01\n";
        check(of_openssl(messages), 315, 6);
    }

    #[test]
    fn the_datagrams_of_ngtcp2_are_added_up() {
        let log = "\
            Sent packet: local=[192.0.2.1]:44941 remote=[198.51.100.2]:443 ecn=0x2 1200 bytes\n\
            Received packet: local=[192.0.2.1]:44941 remote=[198.51.100.2]:443 ecn=0x2 71 bytes\n\
            Sent packet: local=[192.0.2.1]:44941 remote=[198.51.100.2]:443 ecn=0x2 49 bytes\n";
        check(of_quic(log), 1249, 71);
    }

    #[test]
    fn questions_are_counted_by_name_once_they_are_answered() {
        let log = "\
            [1795917600] unbound[7:0] info: 192.0.2.1 a.example. A IN\n\
            [1795917600] unbound[7:0] info: 192.0.2.1 a.example. A IN NOERROR 0.000000 1 43\n\
            [1795917600] unbound[7:0] info: 192.0.2.1 a.example. AAAA IN NOERROR 0.000000 1 27\n\
            [1795917600] unbound[7:0] info: start of service (unbound 1.17.1).\n";
        let (contacts, sent, received) = (2, 54, 70);
        let counts = Counts {
            contacts,
            sent,
            received,
        };
        assert_eq!(
            of_unbound(log),
            BTreeMap::from([("a.example".to_owned(), counts)])
        );
    }
}
