//! What does the tracer say of an app's contacts, and does it say the same everywhere?

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Metrics, Tracer};

/// What is expected, a text for each kind of contact, in order.
pub fn expected(text: &str) -> Vec<String> {
    let mut all: Vec<String> = text.split(", ").map(str::to_owned).collect();
    all.sort();
    all
}

/// An app's contacts with others that the API tells of, those that began last first.
fn told(tracer: &Tracer, app: &str) -> Vec<Value> {
    let mut page = tracer.contacts(&format!("app={app}&limit=1000"));
    let Value::Array(mut contacts) = page["contacts"].take() else {
        panic!("no list of contacts: {page}");
    };
    contacts.retain(|contact| contact["direction"] == "out");
    contacts
}

/// The last contact of an app that was with no name server.
pub fn latest(tracer: &Tracer, app: &str) -> Value {
    let mut all = told(tracer, app).into_iter();
    let found = all.find(|contact| contact["port"] != 53);
    found.unwrap_or_else(|| panic!("no contact of {app}"))
}

/// Contacts of an app, without those with a name server that has no name, of which a resolver has as many as it likes. How many of a kind
/// is told as it is in what is expected.
pub fn contacts(
    tracer: &Tracer,
    metrics: &Metrics,
    app: &str,
    is_held: bool,
    expected: &[String],
) -> Vec<String> {
    let mut shown = BTreeMap::new();
    let out = [("app", app), ("direction", "out")];
    for (labels, count) in metrics.series("tracer_connections_total", &out) {
        let kind = ["protocol", "port", "destination", "name_source"].map(|label| &*labels[label]);
        *shown.entry(kind.join(" ")).or_insert(0) += *count as u64;
    }
    let mut counts = BTreeMap::new();
    for contact in told(tracer, app) {
        let [protocol, destination, source] = ["protocol", "destination", "name_source"]
            .map(|field| contact[field].as_str().unwrap_or_default());
        let kind = format!("{protocol} {} {destination} {source}", contact["port"]);
        *counts.entry(kind).or_insert(0) += 1;
        let is_live = contact["live"] == true || contact["port"] == 53;
        assert!(is_live || !is_held, "{contact}");
    }
    assert_eq!(shown, counts, "{app} in the metrics, and in the API");
    let names_server = |kind: &str| kind.contains(" 53 ") && kind.ends_with(" none");
    shown.retain(|kind, count| *count > 0 && !names_server(kind));
    let told = shown.iter().map(|(kind, count)| {
        let several = format!("{kind} x+");
        match count {
            _ if expected.contains(&several) => several,
            1 => kind.clone(),
            _ => format!("{kind} x{count}"),
        }
    });
    told.collect()
}
