//! What a tracer says of itself.

use std::collections::BTreeMap;

use super::hidden::Change;

/// Labels of one series, and its value.
pub type Series = (BTreeMap<String, String>, f64);

/// A scrape, parsed.
pub struct Metrics {
    families: BTreeMap<String, Vec<Series>>,
    /// What the kernel had hidden from the tracer until then.
    pub hidden: Vec<Change>,
}

impl Metrics {
    pub fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (name, labels, value) = parse_line(line);
            all.entry(name).or_default().push((labels, value));
        }
        Self {
            families: all,
            hidden: Vec::new(),
        }
    }

    /// Every series, with the name of its family.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Series)> {
        self.families
            .iter()
            .flat_map(|(family, all)| all.iter().map(move |series| (family.as_str(), series)))
    }

    /// Series of a family with these labels.
    pub fn series<'a>(
        &'a self,
        family: &str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Series> + 'a {
        self.families
            .get(family)
            .into_iter()
            .flatten()
            .filter(move |(found, _)| {
                labels
                    .iter()
                    .all(|(name, value)| found.get(*name).is_some_and(|found| found == value))
            })
    }

    /// Their sum. Counters are whole numbers, exact in a `f64` up to 2^53.
    pub fn sum(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        self.series(family, labels)
            .map(|(_, value)| *value as u64)
            .sum()
    }

    /// Fails where a contact has no app, and says why it has none.
    #[track_caller]
    pub fn assert_all_have_an_app(&self) {
        let without: Vec<_> = self
            .series("tracer_unattributed_connections_total", &[])
            .filter(|(_, value)| *value != 0.0)
            .collect();
        assert!(without.is_empty(), "contacts without an app: {without:?}");
    }

    /// As [`Self::sum`], of contacts begun by this machine: without those of its own servers.
    pub fn begun(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        self.series(family, labels)
            .filter(|(found, _)| found["direction"] == "out")
            .map(|(_, value)| *value as u64)
            .sum()
    }

    /// How many changes the kernel hid of the sockets that these series may be about. Almost always none.
    pub fn hidden(&self, labels: &[(&str, &str)]) -> u64 {
        let value = |name| labels.iter().find(|(found, _)| *found == name);
        if value("protocol").is_some_and(|(_, protocol)| *protocol != "tcp") {
            return 0;
        }
        let port = value("port").and_then(|(_, port)| port.parse().ok());
        let is_of = |change: &&Change| port.is_none_or(|port| change.contains(&port));
        self.hidden.iter().filter(is_of).count() as u64
    }

    /// How many datagrams the kernel ran no probe for, as it says itself: one that comes in the middle of another probe's program.
    fn skipped(&self) -> u64 {
        ["datagrams_in", "datagrams_out"]
            .map(|signal| self.sum("tracer_hook_missed_total", &[("signal", signal)]))
            .iter()
            .sum()
    }

    /// What is to be said where the kernel did not follow calls to their return, and their bytes are lost.
    pub fn unfollowed(&self) -> String {
        match self.sum("tracer_lost_total", &[("reason", "returns_missed")]) {
            0 => String::new(),
            calls => format!("; {calls} calls were not followed to their return"),
        }
    }

    /// The one place where a truth is compared with what the tracer says: what differs. They are equal but for what the kernel
    /// hid: so many contacts may be missing, and the bytes that so many had.
    pub fn difference(
        &self,
        family: &str,
        labels: &[(&str, &str)],
        expected: u64,
    ) -> Option<String> {
        self.difference_of_datagrams(family, labels, expected, 0)
    }

    /// The same where a call hands over so many bytes: of as many calls as the kernel ran no probe for, as it says, the bytes may be missing.
    pub fn difference_of_datagrams(
        &self,
        family: &str,
        labels: &[(&str, &str)],
        expected: u64,
        of_a_call: u64,
    ) -> Option<String> {
        let found = self.sum(family, labels);
        let (hidden, skipped) = (self.hidden(labels), self.skipped());
        let missing = if family.contains("bytes") {
            let contacts = self.sum("tracer_connections_total", labels) + hidden;
            hidden * expected.div_ceil(contacts.max(1)) + skipped * of_a_call
        } else {
            hidden
        };
        let is_right = (expected.saturating_sub(missing)..=expected).contains(&found);
        (!is_right).then(|| {
            format!(
                "{family} {labels:?}: {found}, not {expected}; the kernel hid {hidden} changes and ran no probe for {skipped} datagrams{}",
                self.unfollowed()
            )
        })
    }

    /// Fails where they differ.
    pub fn check(&self, family: &str, labels: &[(&str, &str)], expected: u64) {
        if let Some(difference) = self.difference(family, labels, expected) {
            panic!("{difference}");
        }
    }

    /// Fails, and says what it was, where anything was lost; the ends that the kernel hid may be.
    pub fn assert_nothing_lost(&self) {
        let lost: Vec<_> = self
            .series("tracer_lost_total", &[])
            .filter(|(_, count)| *count != 0.0)
            .collect();
        let ends = self.sum("tracer_lost_total", &[("reason", "end_missed")]);
        let all = self.sum("tracer_lost_total", &[]);
        assert!(
            all == ends && ends <= self.hidden(&[]),
            "lost: {lost:?}; the kernel hid {} changes",
            self.hidden.len()
        );
    }
}

fn parse_line(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let mut labels = BTreeMap::new();
    let name_end = line.find(['{', ' ']).expect("a name");
    let (name, mut rest) = line.split_at(name_end);
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label");
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next().expect("an ended value") {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next().expect("an escaped character").1 {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    (_, other) => value.push(other),
                }
            };
            labels.insert(label.trim_start_matches(',').to_owned(), value);
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    (
        name.to_owned(),
        labels,
        rest.trim().parse().expect("a value"),
    )
}
