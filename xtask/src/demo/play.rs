//! How do the apps talk to the hosts, and what do their clients and the name server say that passed?

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::child;
use super::counts::{self, Counts};
use super::place::{NAME_SERVER, Place};
use super::servers::{CERTIFICATE, UNBOUND_LOG};
use super::stage::{App, Client, VISITS, Visits};

/// An app, a destination and a protocol.
pub type Key = (String, String, &'static str);

/// What passed, by those who sent and received it.
#[derive(Default)]
pub struct Truth {
    pub contacts: BTreeMap<Key, Counts>,
    /// How often an app asked for a name: calls of its C library.
    pub calls: BTreeMap<(String, String), u64>,
    /// The same as questions that the name server was asked.
    pub questions: BTreeMap<(String, String), u64>,
}

impl Truth {
    fn add(&mut self, app: &App, destination: &str, protocol: &'static str, counts: Counts) {
        let key = (app.name.to_owned(), destination.to_owned(), protocol);
        *self.contacts.entry(key).or_default() += counts;
    }
}

/// Plays all of the stage.
pub fn play(place: &Place) -> Result<Truth> {
    let mut truth = Truth::default();
    for (number, visits) in VISITS.iter().enumerate() {
        for turn in 0..visits.times {
            let counts = visit(place, visits, &format!("{number}-{turn}"))?;
            truth.add(visits.app, visits.host, visits.client.protocol(), counts);
            // The C library asks all of one look-up over one socket.
            let lookup = Counts {
                contacts: 1,
                ..Counts::default()
            };
            truth.add(visits.app, NAME_SERVER, "udp", lookup);
            let key = (visits.app.name.to_owned(), visits.host.to_owned());
            *truth.calls.entry(key).or_default() += 1;
        }
    }
    let log = fs::read_to_string(place.folder.path(UNBOUND_LOG)).context("read a log")?;
    for (name, asked) in counts::of_unbound(&log) {
        let visits = VISITS.iter().find(|visits| visits.host == name);
        let visits = visits.with_context(|| format!("somebody asked for {name}"))?;
        let key = (visits.app.name.to_owned(), name);
        truth.questions.insert(key, asked.contacts);
        let bytes = Counts {
            contacts: 0,
            ..asked
        };
        truth.add(visits.app, NAME_SERVER, "udp", bytes);
    }
    Ok(truth)
}

impl Client {
    fn protocol(self) -> &'static str {
        match self {
            Self::Curl | Self::OpenSsl => "tcp",
            Self::Quic => "udp",
        }
    }
}

/// One contact, to its end.
fn visit(place: &Place, visits: &Visits, name: &str) -> Result<Counts> {
    let (host, page) = (visits.host, visits.received);
    let counted = place.folder.path(&format!("counts/{name}"));
    let certificate = place.folder.path(CERTIFICATE);
    let log = place.folder.path(&format!("{name}.log"));
    let program = match visits.client {
        Client::Curl => "curl",
        Client::OpenSsl => "openssl",
        Client::Quic => "gtlsclient",
    };
    let mut command = as_app(place, visits.app, program);
    command.stdin(Stdio::null());
    match visits.client {
        Client::Curl => {
            command.args(["-q", "-sS", "--http1.1", "--fail", "--output", "/dev/null"]);
            command.arg("--cacert").arg(&certificate);
            command.arg("--trace").arg(&counted);
            command.arg("--header");
            command.arg(format!("X-Report: {}", "x".repeat(visits.sent)));
            command.arg(format!("https://{host}/{page}"));
        }
        Client::OpenSsl => {
            let request = format!("GET /{page} HTTP/1.0\r\n\r\n");
            let request = place.folder.write("request", request)?;
            command.stdin(fs::File::open(&request).context("open a request")?);
            command.args(["s_client", "-quiet", "-ign_eof", "-verify_return_error"]);
            command.args(["-connect", &format!("{host}:443"), "-CAfile"]);
            command.arg(&certificate).arg("-msg").arg("-msgfile");
            command.arg(&counted);
        }
        Client::Quic => {
            // It is silent until both sides are done, so it has read all that came.
            command.args(["--no-pmtud", "--timeout=1s", "--no-quic-dump"]);
            command.args([host, "443", &format!("https://{host}/{page}")]);
        }
    }
    let said = child::run(&mut command, &log, 20)?;
    let read = || fs::read(&counted).with_context(|| format!("read what {program} counted"));
    Ok(match visits.client {
        Client::Curl => counts::of_curl(&String::from_utf8_lossy(&read()?)),
        Client::OpenSsl => counts::of_openssl(&String::from_utf8_lossy(&read()?)),
        Client::Quic => counts::of_quic(&said),
    })
}

/// A program on the phone with the UID of an app, and none of root's rights. It asks the phone's name server.
fn as_app(place: &Place, app: &App, program: &str) -> Command {
    let mut command = place.phone.command(true, "setpriv");
    let user = app.uid.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    // A change of the user takes away what has the program end with us.
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}
