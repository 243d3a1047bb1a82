//! How did a contact come past the device's own resolver? Told once, when it is decided or has ended.

use tracer_common::{
    Record,
    map::{DIRECTION_OUT, PROTOCOL_TCP, PROTOCOL_UDP},
    record::NO_CONTACT,
};

use super::programs::Known;
use crate::{
    decode,
    enrich::ResolverKind,
    model::{Bypass, Name, NameSource},
    name::{Trace, is_public},
};

/// DNS over TLS (RFC 7858 section 3.1) and over QUIC (RFC 9250 section 4.1.1).
const TLS: u16 = 853;
/// HTTPS, over whatever transport.
const HTTPS: u16 = 443;

/// A resolver that is another one than the device's, by the port and by what a list says of the name.
pub fn of_resolver(record: &Record, listed: Option<ResolverKind>) -> Option<Bypass> {
    let key = &record.destination;
    let is_contact =
        key.direction == DIRECTION_OUT && key.overflow == 0 && record.flags & NO_CONTACT == 0;
    let has_ports = matches!(key.protocol, PROTOCOL_TCP | PROTOCOL_UDP);
    if !is_contact || !has_ports {
        return None;
    }
    match (key.port, listed) {
        // One on this machine is the device's own.
        (TLS, _) if !decode::ip(key.address).is_loopback() => Some(Bypass::Dot),
        (HTTPS, Some(ResolverKind::Doh)) => Some(Bypass::Doh),
        (_, Some(ResolverKind::HttpDns)) => Some(Bypass::HttpDns),
        _ => None,
    }
}

/// Whether a name was said without a lookup, as far as the contact itself tells: in its own handshake and at the stream's beginning, where
/// no proxy was asked before, and of an address that means the same machine everywhere.
fn may_be_without_lookup(record: &Record, name: &Name, is_behind: bool) -> bool {
    matches!(name.source, NameSource::Sni | NameSource::Quic)
        && !is_behind
        && is_public(&record.destination.address)
}

impl super::Book {
    /// Tells it of a contact that has its name, or has none, and counts it. `is_behind`: its hello is not what its stream begins with.
    pub(super) fn judge(
        &mut self,
        known: &Known,
        record: &Record,
        name: Option<&Name>,
        is_behind: bool,
    ) -> Option<Bypass> {
        let listed = name.and_then(|name| self.destinations.resolver(&name.text));
        let kind = of_resolver(record, listed).or_else(|| {
            let name = name.filter(|name| may_be_without_lookup(record, name, is_behind))?;
            self.is_without_lookup(known, record, name)
                .then_some(Bypass::NoLookup)
        })?;
        self.bypasses.add(known.identity, kind);
        Some(kind)
    }

    /// Whether nobody on this machine was seen to ask for the name, or to be told the address, though that would have been seen.
    fn is_without_lookup(&mut self, known: &Known, record: &Record, name: &Name) -> bool {
        let trace = self.naming.trace(&name.text, &record.destination.address);
        if trace == Trace::Found || !self.sight.is_whole(known.identity) {
            return false;
        }
        let address = decode::ip(record.destination.address).to_canonical();
        let sought = (&*name.text, &*address.to_string());
        if !self.sight.needs_question(known, record.namespace, sought) {
            return false;
        }
        self.unjudged += u64::from(trace == Trace::Unknown);
        trace == Trace::None
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::{
        Address,
        map::{DIRECTION_IN, PROTOCOL_ICMP, PROTOCOL_SCTP},
    };

    use super::*;

    fn record(protocol: u8, address: &str, port: u16) -> Record {
        let mut record = Record::default();
        record.destination.direction = DIRECTION_OUT;
        record.destination.protocol = protocol;
        record.destination.address = Address::of(address.parse().expect("an address"));
        record.destination.port = port;
        record
    }

    #[test]
    fn a_resolver_is_told_by_its_port_or_by_a_list() {
        let (doh, http) = (Some(ResolverKind::Doh), Some(ResolverKind::HttpDns));
        let there = "198.51.100.1";
        for (protocol, address, port, listed, expected) in [
            (PROTOCOL_TCP, there, 443, None, None),
            (PROTOCOL_TCP, there, 443, doh, Some(Bypass::Doh)),
            (PROTOCOL_UDP, there, 443, doh, Some(Bypass::Doh)),
            (PROTOCOL_TCP, there, 80, doh, None),
            (PROTOCOL_TCP, there, 853, doh, Some(Bypass::Dot)),
            (PROTOCOL_TCP, there, 853, None, Some(Bypass::Dot)),
            (PROTOCOL_UDP, there, 853, None, Some(Bypass::Dot)),
            (PROTOCOL_SCTP, there, 853, None, None),
            (PROTOCOL_TCP, "2001:db8::1", 853, None, Some(Bypass::Dot)),
            (PROTOCOL_TCP, "10.0.0.1", 853, None, Some(Bypass::Dot)),
            (PROTOCOL_TCP, "127.0.0.53", 853, None, None),
            (PROTOCOL_TCP, "::1", 853, None, None),
            (PROTOCOL_TCP, there, 80, http, Some(Bypass::HttpDns)),
            (PROTOCOL_TCP, there, 443, http, Some(Bypass::HttpDns)),
            (PROTOCOL_TCP, there, 8443, http, Some(Bypass::HttpDns)),
            (PROTOCOL_TCP, there, 853, http, Some(Bypass::Dot)),
            (PROTOCOL_UDP, there, 53, None, None),
            (PROTOCOL_ICMP, there, 0, http, None),
        ] {
            let found = of_resolver(&record(protocol, address, port), listed);
            assert_eq!(found, expected, "{protocol} {address} {port} {listed:?}");
        }
    }

    #[test]
    fn what_was_accepted_or_is_no_contact_of_its_own_never_counts() {
        let begun = record(PROTOCOL_TCP, "198.51.100.1", 853);
        assert_eq!(of_resolver(&begun, None), Some(Bypass::Dot));
        let mut accepted = begun;
        accepted.destination.direction = DIRECTION_IN;
        let mut folded = begun;
        folded.destination.overflow = 1;
        let part = Record {
            flags: NO_CONTACT,
            ..begun
        };
        for record in [accepted, folded, part] {
            assert_eq!(of_resolver(&record, Some(ResolverKind::HttpDns)), None);
        }
    }

    #[test]
    fn only_a_name_of_the_contacts_own_handshake_may_be_without_a_lookup() {
        let there = record(PROTOCOL_TCP, "198.51.100.1", 443);
        let check = |record: &Record, source, is_behind, expected| {
            let name = Name {
                text: "a.example".into(),
                source,
            };
            let found = may_be_without_lookup(record, &name, is_behind);
            assert_eq!(found, expected, "{source:?} {is_behind}");
        };
        check(&there, NameSource::Sni, false, true);
        check(&there, NameSource::Quic, false, true);
        // Asked for.
        check(&there, NameSource::Lookup, false, false);
        check(&there, NameSource::Dns, false, false);
        // A proxy was told the name, and looked it up.
        check(&there, NameSource::Sni, true, false);
        for address in ["127.0.0.1", "10.0.0.1", "192.168.1.1", "fd00::1", "fe80::1"] {
            let near = record(PROTOCOL_TCP, address, 443);
            check(&near, NameSource::Sni, false, false);
        }
    }
}
