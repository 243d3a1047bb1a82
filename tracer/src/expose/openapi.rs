//! Does `docs/openapi.json` say what the endpoint gives?

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use serde_json::{Map, Value, json};
use tracer_common::outcome;

use super::{
    contacts::{refusal, unavailable},
    page::page,
    query::{DEFAULT, MAXIMUM, PARAMETERS, Query},
};
use crate::model::{
    About, Bypass, Candidate, Contact, ContactList, Country, Destination, DestinationInfo, Detail,
    Direction, Endpoint, Fact, Facts, Identity, Kind, Name, NameSource, Naming, Outcome, Owner,
    Program, Protocol, Row, Snapshot,
};

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/openapi.json")).expect("JSON")
}

fn operation(document: &Value) -> &Value {
    &document["paths"]["/api/v1/contacts"]["get"]
}

/// A contact of which everything is known.
fn known(id: u64, name: NameSource, protocol: Protocol, outcome: Outcome) -> Contact {
    let address: IpAddr = "fe80::1".parse().expect("an address");
    let end = |port| Endpoint {
        address: Some(address),
        port: Some(port),
    };
    let program = Program {
        process: Some(4711),
        started_ns: Some(12_000_000_345),
        uid: 1000,
        executable: Some("curl".to_owned()),
        command: Some("curl".to_owned()),
        cgroup: Some("/user.slice".to_owned()),
        unified: Some("/".to_owned()),
        kernel_thread: false,
    };
    Contact {
        identity: Some(Arc::new(Identity {
            app: "curl".into(),
            user: "root".into(),
            uid: 0,
            kind: Kind::Executable,
            version: "".into(),
        })),
        program: Some(Arc::new(program)),
        destination: Destination::Address { address, port: 443 },
        name: Some(Name {
            text: "example.com".into(),
            source: name,
        }),
        owner: Some(Owner {
            company: "Example",
            parent: Some("Example Holding"),
        }),
        bypass: Some(Bypass::ALL[name as usize]),
        naming: Some(Arc::new(Naming {
            candidates: [
                NameSource::Sni,
                NameSource::Quic,
                NameSource::Lookup,
                NameSource::Dns,
            ]
            .map(|source| Candidate {
                name: Name {
                    text: "example.com".into(),
                    source,
                },
                at: id,
                offset: (source == NameSource::Sni).then_some(0),
                chain: vec!["edge.example.net".into()].into(),
            })
            .into(),
            hello: true,
            alpn: vec!["h2".to_owned()],
            ech: true,
        })),
        local: end(50_000),
        remote: end(443),
        detail: Some(Box::new(Detail {
            translated: Some(end(8443)),
            interface: Some("eth0".into()),
            past_tcp: true,
        })),
        namespace: Some(4_026_531_840),
        began: Some(id),
        established: Some(id + 1),
        ended: Some(id + 2),
        outcome,
        sent: Some(1),
        received: Some(u64::MAX),
        ..Contact::new(id, Direction::Out, protocol)
    }
}

/// Each kind of fact of a contact with a name, and nothing of others.
#[derive(Debug)]
struct Known;

impl Facts for Known {
    fn destination(&self, _: &Row) -> Option<DestinationInfo> {
        None
    }

    fn contact(&self, contact: &Contact) -> Vec<Fact> {
        let confidences = ["low", "medium", "high"].into_iter().cycle();
        let fact = |(about, confidence)| Fact {
            about,
            value: "Example".to_owned(),
            of: "example.com".to_owned(),
            source: "a page".to_owned(),
            address: "https://example.com/".to_owned(),
            date: if confidence == "low" {
                ""
            } else {
                "2026-11-28"
            }
            .to_owned(),
            method: "read",
            confidence,
        };
        let all = About::ALL.into_iter().zip(confidences).map(fact);
        all.filter(|_| contact.name.is_some()).collect()
    }

    fn country(&self, contact: &Contact) -> Country {
        let letters = contact.name.as_ref().map(|_| *b"DE");
        letters.map_or_else(Country::default, Country::new)
    }
}

/// Every value of every field that has few, and every field both known and unknown.
fn snapshot() -> Snapshot {
    let mut live = vec![
        known(1, NameSource::Sni, Protocol::Tcp, Outcome::Connecting),
        known(2, NameSource::Quic, Protocol::Udp, Outcome::Open),
        known(3, NameSource::Lookup, Protocol::Icmp, Outcome::Closed),
        known(4, NameSource::Dns, Protocol::Raw, Outcome::Open),
        Contact::new(5, Direction::In, Protocol::Sctp),
    ];
    live[3].program = Some(Arc::default());
    let failed = |reason| {
        known(
            6 + reason as u64,
            NameSource::Sni,
            Protocol::Tcp,
            Outcome::Failed(reason as u8),
        )
    };
    let ended = (0..outcome::REASONS).map(failed);
    Snapshot {
        contacts: ContactList {
            live,
            blocks: vec![Arc::new(ended.collect())],
            ..ContactList::default()
        },
        facts: Some(Arc::new(Known)),
        ..Snapshot::default()
    }
}

/// Holds answers against schemas, and notes what occurred: `Schema.field=value`, the value only where the schema lists them.
struct Checker<'a> {
    document: &'a Value,
    occurred: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    fn new(document: &'a Value) -> Self {
        Self {
            document,
            occurred: BTreeSet::new(),
        }
    }

    /// An answer of a status.
    fn answer(&mut self, status: &str, body: &[u8]) {
        let text = str::from_utf8(body).expect("UTF-8");
        assert_eq!(
            text.find('\n'),
            Some(text.len() - 1),
            "not one line: {text}"
        );
        let response = &operation(self.document)["responses"][status];
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "status {status} is not documented");
        self.check(schema, &serde_json::from_str(text).expect("JSON"), status);
    }

    fn check(&mut self, schema: &'a Value, value: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            let schema = &self.document["components"]["schemas"][name];
            assert!(schema.is_object(), "{reference} is not there");
            return self.check(schema, value, name);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let is_null = |schema: &&Value| schema["type"] == "null";
            let found = choices
                .iter()
                .find(|schema| is_null(schema) == value.is_null());
            return self.check(found.expect("a choice"), value, at);
        }
        assert!(types(schema).contains(&type_of(value)), "{at} is {value}");
        if let Some(choices) = schema["enum"].as_array() {
            assert!(choices.contains(value), "{at} is {value}");
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, at),
            Value::Array(items) => {
                for item in items {
                    self.check(&schema["items"], item, at);
                }
            }
            Value::String(text) if schema["format"] == "date-time" => {
                assert!(text.len() == 30 && text.ends_with('Z'), "{at} is {text}");
            }
            _ => {}
        }
    }

    fn object(&mut self, schema: &'a Value, fields: &Map<String, Value>, at: &str) {
        for (name, value) in fields {
            let property = &schema["properties"][name];
            assert!(property.is_object(), "{at}.{name} is not documented");
            self.occurred.insert(seen(at, name, property, value));
            self.check(property, value, &format!("{at}.{name}"));
        }
        for name in texts(&schema["required"]) {
            assert!(fields.contains_key(name), "{at}.{name} is missing");
        }
    }
}

fn seen(at: &str, name: &str, property: &Value, value: &Value) -> String {
    if property["enum"].is_array() {
        format!("{at}.{name}={value}")
    } else {
        format!("{at}.{name}: {}", type_of(value))
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        several => texts(several),
    }
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

/// All that the schemas say can occur, as [`Checker`] notes it.
fn documented(document: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let schemas = document["components"]["schemas"].as_object();
    for (schema, body) in schemas.expect("schemas") {
        for (name, property) in body["properties"].as_object().expect("properties") {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{schema}.{name} has no description");
            if let Some(values) = property["enum"].as_array() {
                all.extend(
                    values
                        .iter()
                        .map(|value| format!("{schema}.{name}={value}")),
                );
            } else if property["oneOf"].is_array() {
                all.extend(["null", "object"].map(|found| format!("{schema}.{name}: {found}")));
            } else {
                all.extend(
                    types(property)
                        .iter()
                        .map(|found| format!("{schema}.{name}: {found}")),
                );
            }
        }
    }
    all
}

/// Panics where the document and the answers differ.
fn agree(document: &Value) {
    let snapshot = snapshot();
    let mut checker = Checker::new(document);
    for query in ["", "limit=1"] {
        let query = Query::parse(query).expect("a query");
        checker.answer("200", &page(&snapshot, &query));
    }
    let invalid = Query::parse("a=").expect_err("no such parameter");
    checker.answer("400", &refusal(&invalid));
    checker.answer("503", &unavailable("tracing has ended"));
    assert_eq!(checker.occurred, documented(document));
    let responses = operation(document)["responses"].as_object();
    assert_eq!(responses.map(Map::len), Some(3));
}

#[test]
fn every_field_is_documented_and_all_that_is_documented_occurs() {
    agree(&document());
}

#[test]
fn a_document_that_says_otherwise_is_found_out() {
    let check = |pointer: &str, value: Value| {
        let mut document = document();
        let pointer = format!("/components/schemas/{pointer}");
        *document.pointer_mut(&pointer).expect("a place") = value;
        let result = std::panic::catch_unwind(|| agree(&document));
        assert!(result.is_err(), "{pointer} may be anything");
    };
    let text = json!({ "type": "string", "description": "It." });
    check("Contact/properties/port", Value::Null);
    check("Contact/properties/port/type", json!(["string", "null"]));
    check("Contact/properties/id/type", json!(["integer", "null"]));
    check("Contact/properties/direction/enum", json!(["out"]));
    check(
        "Contact/properties/direction/enum",
        json!(["out", "in", "both"]),
    );
    check("Contact/properties/began/description", json!(""));
    check("Program/required/0", json!("pid"));
    check(
        "Error/properties",
        json!({ "error": text, "hint": text, "more": text }),
    );
    check("Error/properties", json!({ "error": text }));
}

#[test]
fn the_parameters_are_those_that_are_documented() {
    let document = document();
    let parameters = operation(&document)["parameters"]
        .as_array()
        .expect("a list");
    let names: Vec<_> = parameters
        .iter()
        .map(|parameter| parameter["name"].as_str())
        .collect();
    assert_eq!(names, PARAMETERS.map(Some));
    for parameter in parameters {
        assert_eq!(parameter["in"], "query");
        assert!(parameter["description"].is_string(), "{parameter}");
        let example = match &parameter["example"] {
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let name = parameter["name"].as_str().unwrap_or_default();
        let query = format!("{name}={example}");
        assert!(Query::parse(&query).is_ok(), "{query}");
        if name == "limit" {
            let bounds =
                ["minimum", "maximum", "default"].map(|bound| parameter["schema"][bound].as_u64());
            assert_eq!(
                bounds,
                [1, MAXIMUM, DEFAULT].map(|bound| Some(bound as u64))
            );
        }
    }
}
