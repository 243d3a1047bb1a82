//! What must hold from one scrape to the next, and at each of them?

use std::collections::BTreeMap;

use crate::support::Metrics;

use super::{NAME, findings::Findings};

type Labels = BTreeMap<String, String>;

/// What was seen so far.
#[derive(Default)]
pub struct Watch {
    pub scrapes: u64,
    /// Every series of a counter in the scrape before.
    before: BTreeMap<(String, Labels), f64>,
    pub findings: Findings,
}

/// The contacts of an app at one place.
#[derive(Default)]
struct Contacts {
    connections: f64,
    established: f64,
    failed: f64,
    open: f64,
}

impl Watch {
    pub fn look(&mut self, metrics: &Metrics) {
        self.scrapes += 1;
        self.compare(metrics);
        self.check_states(metrics);
    }

    /// No counter falls, and no series of one goes away.
    fn compare(&mut self, metrics: &Metrics) {
        let now: BTreeMap<_, _> = metrics
            .all()
            .filter(|(family, _)| is_counter(family))
            .map(|(family, (labels, value))| ((family.to_owned(), labels.clone()), *value))
            .collect();
        for (series, before) in std::mem::take(&mut self.before) {
            let (family, labels) = &series;
            match now.get(&series) {
                None => self.find("series gone", &format!("{family}{labels:?} was {before}")),
                Some(value) if *value < before => {
                    self.find(
                        "series fell",
                        &format!("{family}{labels:?} {before} to {value}"),
                    );
                }
                Some(_) => {}
            }
        }
        self.before = now;
    }

    /// Each contact of the apps is in one state: connecting, established or failed, and open or not.
    ///
    /// Connecting has no series. It is what is left of the connections, at least nothing; over UDP no more than is open, as a
    /// flow is open until it is over. Over TCP what is open is established. Of SCTP, which may show an association as open
    /// before it is up, only that is asked that holds for all: what is open has not failed.
    fn check_states(&mut self, metrics: &Metrics) {
        for (labels, contacts) in contacts(metrics) {
            let Contacts {
                connections,
                established,
                failed,
                open,
            } = contacts;
            let connecting = connections - established - failed;
            let wrong = [
                (connecting < 0.0, "more outcomes than contacts"),
                (
                    open > connections - failed,
                    "more open than begun and not failed",
                ),
                (
                    labels["protocol"] == "udp" && connecting > open,
                    "neither answered nor failed nor open",
                ),
                (
                    labels["protocol"] == "tcp" && open > established,
                    "open and not established",
                ),
            ];
            for (_, kind) in wrong.into_iter().filter(|(is_wrong, _)| *is_wrong) {
                let numbers = format!(
                    "{connections} connections, {established} established, {failed} failed, {open} open"
                );
                self.find(kind, &format!("{labels:?} {numbers}"));
            }
        }
    }

    fn find(&mut self, kind: &'static str, what: &str) {
        let what = format!("scrape {}: {what}", self.scrapes);
        self.findings.add(kind, what);
    }
}

/// Whether a family is one of the tracer's own that only grow.
fn is_counter(family: &str) -> bool {
    let ends = ["_total", "_count", "_sum", "_bucket"];
    family.starts_with("tracer_") && ends.iter().any(|end| family.ends_with(end))
}

/// The contacts of the apps, by the labels of the place.
fn contacts(metrics: &Metrics) -> BTreeMap<Labels, Contacts> {
    let mut all: BTreeMap<Labels, Contacts> = BTreeMap::new();
    for (family, (labels, value)) in metrics.all() {
        let field: fn(&mut Contacts) -> &mut f64 = match family {
            "tracer_connections_total" => |contacts| &mut contacts.connections,
            "tracer_connections_established_total" => |contacts| &mut contacts.established,
            "tracer_connections_failed_total" => |contacts| &mut contacts.failed,
            "tracer_connections_open" => |contacts| &mut contacts.open,
            _ => continue,
        };
        if labels["app"].starts_with(NAME) {
            let mut place = labels.clone();
            place.remove("reason");
            *field(all.entry(place).or_default()) += value;
        }
    }
    all
}
