//! What a tracer says of itself.

use std::collections::BTreeMap;

/// Labels of one series, and its value.
pub type Series = (BTreeMap<String, String>, f64);

/// A scrape, parsed.
pub struct Metrics(BTreeMap<String, Vec<Series>>);

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
        Self(all)
    }

    /// Series of a family with these labels.
    pub fn series<'a>(
        &'a self,
        family: &str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Series> + 'a {
        self.0
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

    /// As [`Self::sum`], of contacts begun by this machine: without those of its own servers.
    pub fn begun(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        self.series(family, labels)
            .filter(|(found, _)| found["direction"] == "out")
            .map(|(_, value)| *value as u64)
            .sum()
    }

    /// Fails, and says what it was, where anything was lost.
    pub fn assert_nothing_lost(&self) {
        let lost: Vec<_> = self
            .series("tracer_lost_total", &[])
            .filter(|(_, count)| *count != 0.0)
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
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
