//! Contacts one by one: each is shown once, while it lives and after it has ended, as its program says it was.

use serde_json::Value;

use crate::support::{Directory, Helper, Namespace, Tracer, truth};

const SERVER: &str = "127.0.0.1:7000";
const HELD: u64 = 150;

/// All contacts of an app that begun them, page by page, newest first.
fn all(tracer: &Tracer, app: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = tracer.contacts(&format!("app={app}&limit=64{after}"));
        let contacts = page["contacts"].as_array().expect("a list");
        all.extend(contacts.iter().cloned());
        let Some(next) = page["next"].as_str() else {
            return all;
        };
        after = format!("&after={next}");
    }
}

/// Fails unless the contacts are `count` different ones of `app` to the server, newest first, and look alike.
fn check(contacts: &[Value], app: &str, count: u64, live: bool, outcome: &str) {
    assert_eq!(contacts.len() as u64, count, "{contacts:?}");
    let mut numbers: Vec<_> = contacts
        .iter()
        .map(|contact| contact["id"].as_u64())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len() as u64, count, "each has its number");
    let mut ports: Vec<_> = contacts
        .iter()
        .map(|contact| contact["local_port"].as_u64().expect("a port"))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len() as u64, count, "each has its socket");
    let moments: Vec<_> = contacts
        .iter()
        .map(|contact| contact["began"].as_str().expect("a moment").to_owned())
        .collect();
    assert!(moments.is_sorted_by(|one, next| one >= next), "{moments:?}");
    let expected: [(&str, Value); 11] = [
        ("app", app.into()),
        ("live", live.into()),
        ("outcome", outcome.into()),
        ("direction", "out".into()),
        ("protocol", "tcp".into()),
        ("destination", "127.0.0.1".into()),
        ("port", 7000.into()),
        ("remote_address", "127.0.0.1".into()),
        ("remote_port", 7000.into()),
        ("local_address", "127.0.0.1".into()),
        ("name_source", "none".into()),
    ];
    for contact in contacts {
        for (field, value) in &expected {
            assert_eq!(&contact[field], value, "{field} of {contact}");
        }
        assert_eq!(contact["program"]["executable"], app);
        assert_eq!(contact["ended"].is_null(), live, "{contact}");
        assert!(contact["namespace"].is_u64(), "{contact}");
    }
}

#[test]
fn each_is_shown_once_while_it_lives_and_after_it_has_ended() {
    let (directory, host) = (Directory::new("contacts"), Namespace::new("tj"));
    let mut server = host.command(&directory.app("server"));
    let server = Helper::start(
        server.args(["serve", "--until-stdin-closes", "--listen", SERVER]),
        "ready",
    );
    let tracer = Tracer::start(&[]);
    let mut holder = host.command(&directory.app("holder"));
    let holder = Helper::start(
        holder.args(["hold", "--to", SERVER, "--times", &HELD.to_string()]),
        "holding",
    );
    let live = all(&tracer, "holder");
    check(&live, "holder", HELD, true, "open");
    holder.finish();
    let metrics = tracer.wait_for("all have ended", |metrics| {
        truth::is_over(metrics, &[("app", "holder")])
    });
    let ended = all(&tracer, "holder");
    check(&ended, "holder", HELD, false, "closed");
    // The same contacts, by their numbers and their moments.
    for field in ["id", "began", "established", "local_port"] {
        let of = |contacts: &[Value]| -> Vec<_> {
            contacts
                .iter()
                .map(|contact| contact[field].clone())
                .collect()
        };
        assert_eq!(of(&live), of(&ended), "{field}");
    }
    let sum = |field: &str| {
        ended
            .iter()
            .map(|contact| contact[field].as_u64().expect("bytes"))
            .sum::<u64>()
    };
    for (field, family) in [
        ("sent_bytes", "tracer_sent_bytes_total"),
        ("received_bytes", "tracer_received_bytes_total"),
    ] {
        assert_eq!(sum(field), metrics.sum(family, &[("app", "holder")]));
    }
    server.finish();
}
