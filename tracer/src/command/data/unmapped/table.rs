//! The sums of bytes, by destination.

use std::collections::{BTreeSet, HashMap};

use super::super::series::Sample;

/// The most destinations that are told apart. A tracer has no more rows than that; what says more is summed up as `~other`.
const DESTINATIONS: usize = 262_144;
/// The most apps, or ports, that are kept of one.
const WORDS: usize = 1_024;

/// Bytes of payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    pub sent: u64,
    pub received: u64,
}

/// A destination of which nobody knows who controls it.
#[derive(Debug, Default)]
pub struct Destination {
    pub sent: u64,
    pub received: u64,
    /// Who contacted it.
    pub apps: BTreeSet<String>,
    /// Its ports.
    pub ports: BTreeSet<String>,
    /// How its name is known.
    pub sources: BTreeSet<String>,
    /// It has more apps, or ports, than are kept.
    pub is_cut: bool,
}

/// Everything that was read.
#[derive(Default)]
pub struct Table {
    /// Whether it was a tracer that answered.
    pub is_of_a_tracer: bool,
    /// In all contacts that were begun here.
    pub all: Bytes,
    /// In those to a destination without a known owner.
    pub unmapped: Bytes,
    /// Lines of these families that cannot be read.
    pub unreadable: u64,
    destinations: HashMap<String, Destination>,
}

impl Table {
    /// Takes a line of `/metrics`.
    pub fn take(&mut self, line: &str) {
        // Nearly all lines are of other families, and need no reading.
        if line.starts_with("tracer_build_info{") {
            self.is_of_a_tracer = true;
        }
        let is_sent = line.starts_with("tracer_sent_bytes_total{");
        if !is_sent && !line.starts_with("tracer_received_bytes_total{") {
            return;
        }
        // The tracer writes whole numbers.
        let sample = Sample::parse(line)
            .and_then(|sample| Some((sample.value.parse::<u64>().ok()?, sample)));
        let Some((bytes, sample)) = sample else {
            self.unreadable += 1;
            return;
        };
        if sample.label("direction") != "out" {
            return;
        }
        let add = |sum: &mut Bytes| {
            let sum = if is_sent {
                &mut sum.sent
            } else {
                &mut sum.received
            };
            *sum = sum.saturating_add(bytes);
        };
        add(&mut self.all);
        if !sample.label("company").is_empty() {
            return;
        }
        add(&mut self.unmapped);
        let mut name = sample.label("destination");
        if self.destinations.len() >= DESTINATIONS && !self.destinations.contains_key(name) {
            name = "~other";
        }
        let destination = self.destinations.entry(name.to_owned()).or_default();
        let mut sum = Bytes {
            sent: destination.sent,
            received: destination.received,
        };
        add(&mut sum);
        (destination.sent, destination.received) = (sum.sent, sum.received);
        for (words, label) in [
            (&mut destination.apps, "app"),
            (&mut destination.ports, "port"),
            (&mut destination.sources, "name_source"),
        ] {
            let word = sample.label(label);
            if words.contains(word) {
                continue;
            }
            if words.len() < WORDS {
                words.insert(word.to_owned());
            } else {
                destination.is_cut = true;
            }
        }
    }

    /// The destinations, the one with most bytes first, and in the order of their names where these are equal.
    pub fn largest_first(&self) -> Vec<(&String, &Destination)> {
        let mut sorted: Vec<(&String, &Destination)> = self.destinations.iter().collect();
        sorted.sort_unstable_by(|(a_name, a), (b_name, b)| {
            let bytes = |it: &Destination| it.sent.saturating_add(it.received);
            bytes(b).cmp(&bytes(a)).then_with(|| a_name.cmp(b_name))
        });
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_more_ports_than_are_kept_says_so() {
        let mut table = Table::default();
        let mut take = |port: usize| {
            table.take(&format!(
                "tracer_sent_bytes_total{{app=\"a\",direction=\"out\",destination=\"d\",port=\"{port}\",company=\"\"}} 1"
            ));
            let destination = &table.destinations["d"];
            (
                destination.sent,
                destination.ports.len(),
                destination.is_cut,
            )
        };
        for port in 1..WORDS {
            take(port);
        }
        let words = WORDS as u64;
        assert_eq!(take(WORDS), (words, WORDS, false));
        assert_eq!(take(WORDS), (words + 1, WORDS, false), "it is there");
        assert_eq!(take(WORDS + 1), (words + 2, WORDS, true));
    }
}
