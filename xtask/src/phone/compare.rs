//! Is what a Prometheus on this machine has seen of a phone the truth?

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::contact::{Contact, DESTINATIONS, Tally};
use super::differences;
use super::prometheus::{Labels, Prometheus};

/// What is in the series of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    contacts: u64,
    sent: u64,
    received: u64,
}

/// Every series of the day, and no other.
pub fn compare(prometheus: &Prometheus, truth: &Tally) -> Result<()> {
    let families = ["connections", "sent_bytes", "received_bytes"];
    let destinations = DESTINATIONS.map(|start| format!("{}.*", start.replace('.', "[.]")));
    let destinations = destinations.join("|");
    let queries = families.map(|family| {
        format!(
            "sum by (app, user, destination, port, protocol) (tracer_{family}_total{{direction=\"out\",destination=~\"{destinations}\"}})"
        )
    });
    let lost = [
        "sum(tracer_lost_total)".to_owned(),
        "sum by (reason) (tracer_unattributed_connections_total)".to_owned(),
        "tracer_app_info{app=\"com.example.app08\",user=\"0\",version=\"2\"}".to_owned(),
    ];
    let answers = prometheus.fresh(&[&queries[..], &lost[..]].concat())?;
    let mut seen: BTreeMap<Labels, Counts> = BTreeMap::new();
    for (at, rows) in answers[..3].iter().enumerate() {
        for (labels, value) in rows {
            let counts = seen.entry(labels.clone()).or_default();
            match at {
                0 => counts.contacts = *value,
                1 => counts.sent = *value,
                _ => counts.received = *value,
            }
        }
    }
    differences::none("series", &seen, &series(truth), |labels, seen, truth| {
        format!("{labels:?}: {seen:?} instead of {truth:?}")
    })?;
    for (what, answer, expected) in [
        ("lost", &answers[3], 0),
        ("without an app", &answers[4], 0),
        ("updated", &answers[5], 1),
    ] {
        let value = answer.values().sum::<u64>();
        ensure!(
            value == expected,
            "{what}: {answer:?}, which is not {expected}"
        );
    }
    Ok(())
}

/// What contacts come to.
fn series(truth: &Tally) -> BTreeMap<Labels, Counts> {
    let mut series = BTreeMap::<Labels, Counts>::new();
    for (contact, count) in truth {
        let counts = series.entry(labels(contact)).or_default();
        counts.contacts += count;
        counts.sent += count * contact.sent.unwrap_or(0);
        counts.received += count * contact.received.unwrap_or(0);
    }
    series
}

fn labels(contact: &Contact) -> Labels {
    let pairs = [
        ("app", &contact.app),
        ("user", &contact.user),
        ("destination", &contact.destination),
        ("port", &contact.port),
        ("protocol", &contact.protocol),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}
