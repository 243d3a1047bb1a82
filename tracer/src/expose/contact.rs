//! A contact as JSON. `docs/openapi.json` says what each field means.

use serde_json::{Value, json};
use tracer_common::{Address, outcome};

use super::destinations;
use super::time::{rfc3339, seconds};
use crate::model::{Bypass, Candidate, Contact, Destination, Fact, Facts, Outcome, Program};

/// All that is known of a contact; what is not is `null`.
pub fn json(contact: &Contact, live: bool, facts: Option<&dyn Facts>) -> Value {
    let identity = contact.identity.as_deref();
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let port = match contact.destination {
        Destination::Address { port, .. } | Destination::Named { port, .. } => Some(port),
        Destination::Other | Destination::Unknown => None,
    };
    let (outcome, reason) = outcome(contact.outcome);
    let naming = contact.naming.as_deref();
    let detail = contact.detail.as_deref();
    let translated = detail.and_then(|detail| detail.translated);
    json!({
        "id": contact.id,
        "live": live,
        "app": identity.and_then(|identity| known(&identity.app)),
        "user": identity.and_then(|identity| known(&identity.user)),
        "program": contact.program.as_deref().map(program),
        "direction": contact.direction.label(),
        "protocol": contact.protocol.label(),
        "destination": known(&destination(contact)),
        "port": port,
        "name_source": contact.name.as_ref().map_or("none", |name| name.source.label()),
        "company": contact.owner.map(|owner| owner.company),
        "parent": contact.owner.and_then(|owner| owner.parent),
        "country": facts.and_then(|facts| known(facts.country(contact).label())),
        "facts": facts.map(|facts| facts.contact(contact)).unwrap_or_default().iter().map(fact).collect::<Vec<_>>(),
        "resolver_bypass": contact.bypass.map(Bypass::label),
        "names": naming.map_or(&[][..], |naming| &naming.candidates).iter().map(candidate).collect::<Vec<_>>(),
        "hello": naming.is_some_and(|naming| naming.hello),
        "alpn": naming.map_or(&[][..], |naming| &naming.alpn),
        "ech": naming.is_some_and(|naming| naming.ech),
        "local_address": contact.local.address.map(|address| address.to_canonical().to_string()),
        "local_port": contact.local.port,
        "remote_address": contact.remote.address.map(|address| address.to_canonical().to_string()),
        "remote_port": contact.remote.port,
        "translated_address": translated.and_then(|end| end.address).map(|address| address.to_string()),
        "translated_port": translated.and_then(|end| end.port),
        "interface": detail.and_then(|detail| detail.interface.as_deref()),
        "past_tcp": detail.is_some_and(|detail| detail.past_tcp),
        "namespace": contact.namespace,
        "began": contact.began.map(rfc3339),
        "established": contact.established.map(rfc3339),
        "ended": contact.ended.map(rfc3339),
        "outcome": outcome,
        "reason": reason,
        "sent_bytes": contact.sent,
        "received_bytes": contact.received,
    })
}

/// The label `destination`: the name, else the address in canonical text, here with its interface where it needs that (RFC 4007
/// section 11).
pub fn destination(contact: &Contact) -> String {
    match (&contact.name, &contact.destination) {
        (Some(name), _) => name.text.as_ref().to_owned(),
        (None, Destination::Address { address, .. }) => {
            let address = address.to_canonical();
            match contact.detail.as_deref().map(|detail| &detail.interface) {
                Some(Some(interface)) if Address::of(address).has_scope() => {
                    format!("{address}%{interface}")
                }
                _ => address.to_string(),
            }
        }
        (None, other) => destinations::text(other).into_owned(),
    }
}

fn fact(fact: &Fact) -> Value {
    json!({
        "about": fact.about.label(),
        "value": fact.value,
        "of": fact.of,
        "source": fact.source,
        "address": fact.address,
        "date": (!fact.date.is_empty()).then_some(&fact.date),
        "method": fact.method,
        "confidence": fact.confidence,
    })
}

fn candidate(candidate: &Candidate) -> Value {
    json!({
        "name": &*candidate.name.text,
        "source": candidate.name.source.label(),
        "at": rfc3339(candidate.at),
        "offset": candidate.offset,
        "chain": candidate.chain.iter().map(|name| &**name).collect::<Vec<_>>(),
    })
}

fn program(program: &Program) -> Value {
    json!({
        "process": program.process,
        "started_seconds": program.started_ns.map(seconds),
        "uid": program.uid,
        "executable": program.executable,
        "command": program.command,
        "cgroup": program.cgroup,
        "unified_cgroup": program.unified,
        "kernel_thread": program.kernel_thread,
    })
}

fn outcome(outcome: Outcome) -> (Option<&'static str>, Option<&'static str>) {
    match outcome {
        Outcome::Unknown => (None, None),
        Outcome::Connecting => (Some("connecting"), None),
        Outcome::Open => (Some("open"), None),
        Outcome::Closed => (Some("closed"), None),
        Outcome::Failed(reason) => {
            let reason = outcome::NAMES.get(usize::from(reason)).copied();
            (Some("failed"), reason.or(Some("other")))
        }
    }
}
