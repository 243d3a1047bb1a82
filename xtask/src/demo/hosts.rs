//! Which hosts do public reports name as contacted by the app, and who reports each?

use std::collections::BTreeMap;

/// A host, as `hosts.tsv` has it: what was read of it, where, and when.
pub struct Host {
    pub name: &'static str,
    /// What the report is called.
    pub source: &'static str,
    pub address: &'static str,
    /// The day it was written.
    pub written: &'static str,
    /// The day it was read for this table.
    pub read: &'static str,
}

/// All of them, in the order of the file.
pub fn hosts() -> Vec<Host> {
    let lines = include_str!("hosts.tsv").lines().skip(1);
    lines
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Host {
                name: cells.next()?,
                source: cells.next()?,
                address: cells.next()?,
                written: cells.next()?,
                read: cells.next()?,
            })
        })
        .collect()
}

/// Who reports which of them, a line for each report.
pub fn reports() -> Vec<String> {
    let mut reports: BTreeMap<&str, (Vec<&str>, Host)> = BTreeMap::new();
    for host in hosts() {
        let report = reports.entry(host.address);
        report
            .or_insert_with(|| (Vec::new(), Host { ..host }))
            .0
            .push(host.name);
    }
    let line = |(names, report): (Vec<&str>, Host)| {
        format!(
            "{}\n    {}, {}, read {}:\n    {}",
            names.join(" "),
            report.source,
            report.written,
            report.read,
            report.address
        )
    };
    reports.into_values().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_day(text: &str) -> bool {
        let parts: Vec<&str> = text.split('-').collect();
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        parts.iter().map(|part| part.len()).eq([4, 2, 2]) && parts.iter().all(is_number)
    }

    #[test]
    fn each_of_the_eight_hosts_has_a_report_with_its_address_and_its_days() {
        let hosts = hosts();
        assert_eq!(hosts.len(), 8);
        for host in &hosts {
            assert!(host.address.starts_with("https://"), "{}", host.name);
            assert!(is_day(host.written) && is_day(host.read), "{}", host.name);
        }
    }

    #[test]
    fn each_report_is_told_once_with_its_hosts() {
        let reports = reports();
        assert_eq!(reports.len(), 4);
        let names = "fp-it.fengkongcloud.com fp-it-tracker.fengkongcloud.com\n    hagezi/";
        assert!(reports.iter().any(|report| report.starts_with(names)));
    }
}
