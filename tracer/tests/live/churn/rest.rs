//! Is what the apps say they did what the tracer says, once every contact is over?

use std::{collections::BTreeMap, slice};

use serde_json::Value;

use crate::support::{Metrics, truth};

use super::findings::Findings;

/// What each app has printed.
pub type Told = [(String, Vec<Value>)];

/// Finds where they differ: place by place, and app by app.
pub fn compare(metrics: &Metrics, told: &Told, findings: &mut Findings) {
    let mut differences = Vec::new();
    for (app, lines) in told {
        for line in lines {
            let port = line["port"].to_string();
            let text = |name: &str| line[name].as_str().expect("a text");
            let place = [
                ("app", app.as_str()),
                ("direction", text("direction")),
                ("protocol", text("protocol")),
                ("destination", text("destination")),
                ("port", &port),
            ];
            differences.extend(differ(metrics, &place, slice::from_ref(line)));
        }
        // Nothing of it is anywhere else.
        differences.extend(differ(metrics, &[("app", app)], lines));
        // Each connection of TCP that was begun and established is in both histograms.
        let established = sum(lines, "established", Some("tcp"));
        for what in ["connect", "connection"] {
            let family = format!("tracer_{what}_duration_seconds_count");
            differences.extend(metrics.difference(&family, &[("app", app)], established));
        }
    }
    for difference in differences {
        findings.add("not exact at rest", difference);
    }
}

/// Contacts that the apps have begun, over one protocol or all.
pub fn begun(told: &Told, protocol: Option<&str>) -> u64 {
    told.iter()
        .map(|(_, lines)| sum(lines, "connections", protocol))
        .sum()
}

/// Of contacts begun.
fn sum(lines: &[Value], name: &str, protocol: Option<&str>) -> u64 {
    let is_meant = |line: &&Value| {
        line["direction"] == "out" && protocol.is_none_or(|protocol| line["protocol"] == protocol)
    };
    let meant: Vec<Value> = lines.iter().filter(is_meant).cloned().collect();
    truth::sum(&meant, name)
}

fn differ(metrics: &Metrics, labels: &[(&str, &str)], lines: &[Value]) -> Vec<String> {
    let mut differences = truth::differences(metrics, labels, truth::told(lines));
    let family = "tracer_connections_failed_total";
    // What nobody told of must not be there.
    let shown = metrics.series(family, labels);
    let mut failed: BTreeMap<&str, u64> = shown
        .map(|(labels, _)| (labels["reason"].as_str(), 0))
        .collect();
    for line in lines {
        for (reason, count) in line["failed"].as_object().expect("reasons") {
            *failed.entry(reason).or_default() += count.as_u64().expect("a count");
        }
    }
    for (reason, count) in failed {
        let labels = [labels, &[("reason", reason)]].concat();
        differences.extend(metrics.difference(family, &labels, count));
    }
    differences
}
