//! What was found, and how is it written? A line of JSON each, with all fields that it has.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use crate::{
    expose::time::rfc3339,
    name::{
        dns::{Answer, Question},
        hello::Hello,
        host::host,
    },
};

/// Who sent to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

impl Flow {
    /// The other direction.
    pub fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
        }
    }
}

/// What a packet made complete.
#[derive(Debug)]
pub enum What {
    /// Of TLS, behind so many bytes of the stream.
    Sni(Hello, usize),
    /// Of QUIC.
    Quic(Hello),
    Query(Question),
    Answer(Answer),
    /// What was told without a question: a name, and its addresses.
    Announcement(String, Vec<IpAddr>),
}

/// A line. `time` is that of the packet, in nanoseconds since the Unix epoch.
pub fn line(time: Option<u64>, protocol: &str, flow: Flow, what: &What) -> Value {
    let (source, name, mut fields) = match what {
        What::Sni(hello, offset) => {
            let mut fields = of_hello(hello);
            fields["offset"] = json!(offset);
            ("sni", of_name(hello), fields)
        }
        What::Quic(hello) => ("quic", of_name(hello), of_hello(hello)),
        What::Query(question) => ("dns", host(question.name.as_bytes()), of_question(question)),
        What::Answer(answer) => {
            let question = &answer.question;
            let mut fields = of_question(question);
            fields["answer"] = json!(true);
            fields["code"] = json!(answer.code);
            fields["chain"] = json!(answer.chain);
            fields["addresses"] = texts(answer.addresses.iter().map(|(address, _)| address));
            ("dns", host(question.name.as_bytes()), fields)
        }
        What::Announcement(name, addresses) => {
            let fields = json!({
                "answer": true,
                "question": null,
                "kind": null,
                "code": 0,
                "chain": [],
                "addresses": texts(addresses.iter()),
            });
            ("dns", host(name.as_bytes()), fields)
        }
    };
    for (field, value) in [
        ("time", json!(time.map(rfc3339))),
        ("protocol", json!(protocol)),
        ("source", json!(flow.source.ip().to_string())),
        ("source_port", json!(flow.source.port())),
        ("destination", json!(flow.destination.ip().to_string())),
        ("destination_port", json!(flow.destination.port())),
        ("name", json!(name)),
        ("name_source", json!(source)),
    ] {
        fields[field] = value;
    }
    fields
}

fn of_name(hello: &Hello) -> Option<String> {
    hello.name.as_deref().map(str::to_owned)
}

fn of_hello(hello: &Hello) -> Value {
    json!({ "alpn": hello.alpn, "ech": hello.ech })
}

fn of_question(question: &Question) -> Value {
    json!({
        "answer": false,
        "question": question.name,
        "kind": question.kind,
        "code": null,
        "chain": [],
        "addresses": [],
    })
}

fn texts<'a>(addresses: impl Iterator<Item = &'a IpAddr>) -> Value {
    addresses.map(IpAddr::to_string).collect()
}
