//! What does the tracer say of the apps, in its metrics and its API?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::child;
use super::counts::Counts;
use super::place::Place;
use super::play::Key;

use super::stage::App;
use crate::bench::process::Guarded;
use crate::phone::{emulator::free_port, report::get};
use crate::series::{Series, series};

/// A running tracer, which ends with the value.
pub struct Tracer {
    process: Guarded,
    port: u16,
    log: std::path::PathBuf,
}

/// A contact with the facts of it.
pub struct Contact {
    pub key: Key,
    pub counts: Counts,
    pub name_source: String,
    pub company: Option<String>,
    pub facts: Vec<Value>,
}

impl Tracer {
    /// Starts one that has a phone's list of packages, and nobody's databases, and waits until it traces.
    pub fn start(program: &Path, place: &Place, apps: &[&App]) -> Result<Self> {
        let line = |app: &&App| {
            let (name, uid) = (app.name, app.uid);
            format!(
                "{name} {uid} 0 /data/user/0/{name} default:targetSdkVersion=34 none 0 1 1 @null\n"
            )
        };
        let list: String = apps.iter().map(line).collect();
        let list = place.folder.write("packages.list", list)?;
        let log = place.folder.path("tracer.log");
        let file = fs::File::create(&log).context("write the tracer's log")?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["run", "--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--packages-list").arg(list);
        command.arg("--data-dir").arg(place.folder.path("data"));
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut tracer = Self {
            process: Guarded::start(command.stderr(file))?,
            port,
            log,
        };
        child::wait("a tracer that is ready", 60, || {
            if let Err(error) = tracer.process.check() {
                let said = fs::read_to_string(&tracer.log).unwrap_or_default();
                bail!("the tracer: {error:#}; it said:\n{said}");
            }
            Ok(get(port, "/readyz").is_ok())
        })?;
        Ok(tracer)
    }

    /// What it says once each contact of the apps is over and has its name, or none.
    pub fn metrics(&self, apps: &[&App]) -> Result<Vec<Series>> {
        let mut all = Vec::new();
        child::wait("contacts that are over", 30, || {
            all = series(&get(self.port, "/metrics")?);
            let lives = |series: &&Series| {
                let is_state = matches!(
                    &*series.family,
                    "tracer_connections_open" | "tracer_connections_undecided"
                );
                is_state && apps.iter().any(|app| series.label("app") == app.name)
            };
            Ok(all.iter().filter(lives).all(|series| series.value == 0))
        })?;
        Ok(all)
    }

    /// The contacts of an app, one by one.
    pub fn contacts(&self, app: &App) -> Result<Vec<Contact>> {
        let path = format!("/api/v1/contacts?app={}&limit=1000", app.name);
        let page: Value = serde_json::from_str(&get(self.port, &path)?).context("a page")?;
        ensure!(page["next"].is_null(), "more contacts than a page has");
        let contacts = page["contacts"].as_array().context("contacts")?;
        contacts
            .iter()
            .map(|contact| read(contact).with_context(|| format!("a contact: {contact}")))
            .collect()
    }
}

fn read(contact: &Value) -> Option<Contact> {
    let text = |field: &str| contact[field].as_str().map(str::to_owned);
    let protocol = protocol(contact["protocol"].as_str()?)?;
    Some(Contact {
        key: (text("app")?, text("destination")?, protocol),
        counts: Counts {
            contacts: 1,
            sent: contact["sent_bytes"].as_u64()?,
            received: contact["received_bytes"].as_u64()?,
        },
        name_source: text("name_source")?,
        company: text("company"),
        facts: contact["facts"].as_array()?.clone(),
    })
}

fn protocol(name: &str) -> Option<&'static str> {
    ["tcp", "udp", "sctp", "icmp", "raw"]
        .into_iter()
        .find(|known| *known == name)
}

/// What the metrics say of each destination of the apps.
pub fn counted(all: &[Series], apps: &[&App]) -> Result<BTreeMap<Key, Counts>> {
    let mut counted: BTreeMap<Key, Counts> = BTreeMap::new();
    let of_apps = |series: &&Series| apps.iter().any(|app| series.label("app") == app.name);
    for series in all.iter().filter(of_apps) {
        let [contacts, sent, received] = match &*series.family {
            "tracer_connections_total" => [series.value, 0, 0],
            "tracer_sent_bytes_total" => [0, series.value, 0],
            "tracer_received_bytes_total" => [0, 0, series.value],
            _ => continue,
        };
        let protocol = protocol(series.label("protocol")).context("a protocol")?;
        let key = ["app", "destination"].map(|label| series.label(label).to_owned());
        let [app, destination] = key;
        *counted.entry((app, destination, protocol)).or_default() += Counts {
            contacts,
            sent,
            received,
        };
    }
    Ok(counted)
}

/// How often the apps asked for each name, as far as it was seen in that way.
pub fn lookups(all: &[Series], apps: &[&App], via: &str) -> BTreeMap<(String, String), u64> {
    let mut lookups = BTreeMap::new();
    for series in all {
        let is_of_apps = apps.iter().any(|app| series.label("app") == app.name);
        let is_of_lookups = series.family == "tracer_lookups_total" && series.label("via") == via;
        if is_of_lookups && is_of_apps {
            let key = ["app", "destination"].map(|label| series.label(label).to_owned());
            *lookups.entry(key.into()).or_default() += series.value;
        }
    }
    lookups
}
