//! What do tracer and tshark find in a capture? In a form in which both can be compared.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

/// What a packet made complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Number of the packet, port of the client, name.
    Hello(u64, u16, String),
    /// Number of the packet, port of the sender, name and type that are asked for.
    Query(u64, u16, String, u64),
    /// The same, and the addresses and names that are answered.
    Answer(u64, u16, String, u64, Vec<String>),
}

/// A capture as a file, which goes when this does.
pub struct Capture(PathBuf);

impl Capture {
    pub fn new(bytes: &[u8]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-names-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).expect("write a capture to the folder for temporary files");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The lines of `tracer names`.
pub fn lines(capture: &Capture) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_tracer"))
        .arg("names")
        .arg(capture.path())
        .output()
        .expect("run tracer");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// What `tracer names` finds, in order.
pub fn by_tracer(capture: &Capture) -> Vec<Seen> {
    let mut seen: Vec<_> = lines(capture).iter().map(by_line).collect();
    seen.sort();
    seen
}

fn by_line(line: &Value) -> Seen {
    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    // A packet's number is the microsecond in which it was captured.
    let time = text("time");
    let number = time[time.len() - 10..time.len() - 4]
        .parse()
        .expect("a number");
    let port = line["source_port"].as_u64().expect("a port") as u16;
    let kind = line["kind"].as_u64().unwrap_or_default();
    match (text("name_source").as_str(), line["answer"].as_bool()) {
        ("dns", Some(false)) => Seen::Query(number, port, text("question"), kind),
        ("dns", Some(true)) => {
            let mut answers: Vec<_> = [&line["addresses"], &line["chain"]]
                .into_iter()
                .flat_map(|list| list.as_array().expect("a list"))
                .map(|value| value.as_str().expect("a text").to_owned())
                .collect();
            answers.sort();
            Seen::Answer(number, port, text("question"), kind, answers)
        }
        _ => Seen::Hello(number, port, text("name")),
    }
}

/// What tshark is asked for of each packet.
const FIELDS: [&str; 13] = [
    "frame.number",
    "tcp.srcport",
    "udp.srcport",
    "tls.handshake.type",
    "tls.handshake.extensions_server_name",
    "dns.flags.response",
    "dns.qry.name",
    "dns.qry.type",
    "dns.a",
    "dns.aaaa",
    "dns.cname",
    "dns.svcb.svcparam.ipv4hint.ip",
    "dns.svcb.svcparam.ipv6hint.ip",
];

/// What tshark finds, in order.
pub fn by_tshark(capture: &Capture) -> Vec<Seen> {
    let mut command = Command::new("tshark");
    command
        .args(["-n", "-o", "tcp.reassemble_out_of_order:TRUE"])
        .args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"])
        .args(["-Y", "tls.handshake.type == 1 || dns", "-r"])
        .arg(capture.path());
    for name in FIELDS {
        command.args(["-e", name]);
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "run tshark: {error}\nhint: install it (Debian: the package tshark), or let cargo xtask setup do it"
        )
    });
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut seen: Vec<_> = text
        .lines()
        .flat_map(|line| by_row(&line.split('\t').collect::<Vec<_>>()))
        .collect();
    seen.sort();
    seen
}

/// What is in a packet, by the fields that it has; fields that occur several times have commas.
fn by_row(row: &[&str]) -> Vec<Seen> {
    let [
        packet,
        tcp,
        udp,
        handshake,
        server,
        response,
        names,
        kinds,
        found @ ..,
    ] = row
    else {
        panic!("tshark says {row:?}");
    };
    let packet = number(packet);
    let port = number(if tcp.is_empty() { udp } else { tcp }) as u16;
    if !handshake.is_empty() {
        return vec![Seen::Hello(packet, port, server.to_lowercase())];
    }
    let answers = found.iter().flat_map(|list| list.split(','));
    let mut answers: Vec<_> = answers
        .filter(|text| !text.is_empty())
        .map(str::to_lowercase)
        .collect();
    answers.sort();
    // A packet of TCP may have several messages.
    let questions = names.split(',').zip(kinds.split(','));
    questions
        .map(|(name, kind)| {
            let (name, kind) = (name.to_lowercase(), number(kind));
            if response.starts_with(['1', 'T']) {
                Seen::Answer(packet, port, name, kind, answers.clone())
            } else {
                Seen::Query(packet, port, name, kind)
            }
        })
        .collect()
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|error| panic!("tshark says {text:?}: {error}"))
}
