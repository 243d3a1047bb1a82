//! Churn: 20 apps that begin and end contacts all the time, over every protocol that is followed, while somebody scrapes.

mod findings;
mod rest;
mod watch;

use std::{
    mem,
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    Directory, Metrics, Tracer, by_scope, is_virtual,
    network::{Network, start},
    patience, truth,
};
use findings::Findings;
use watch::Watch;

/// Between the beginnings of two scrapes.
const PERIOD: Duration = Duration::from_millis(100);
/// What the apps' names begin with. Nobody else's does.
const NAME: &str = "churn";
/// The router between the two hosts drops what goes there.
const SILENT: &str = "10.78.0.5";
/// Room for the details of a minute: on a busy machine nobody reads them for seconds.
const RECORDS: &str = "RECORDS=67108864";

/// How much is done.
struct Load {
    /// Where none are said, all that this kernel's hooks follow.
    protocols: Option<&'static str>,
    apps: u64,
    /// Contacts begun a second, of all apps together.
    pace: u64,
    seconds: u64,
}

/// What came of it.
struct Churned {
    /// What each app says it did.
    told: Vec<(String, Vec<Value>)>,
    watch: Watch,
    /// The last scrape: every contact is over.
    metrics: Metrics,
    /// The kernel's own count of connects.
    active_opens: u64,
}

/// Lets the apps run and scrapes, until they have ended and their contacts are over.
fn churn(load: &Load) -> Churned {
    let (directory, network) = (Directory::new(NAME), Network::new());
    let names: Vec<String> = (0..load.apps)
        .map(|app| format!("{NAME}{app:02}"))
        .collect();
    let tracer = Tracer::start(&["--map-capacity", RECORDS]);
    // At the control group an association's bytes are those of its packets, and who refuses one has answered.
    let associations = [("signal", "associations")];
    let follows_sctp = tracer.metrics().sum("tracer_hook_attached", &associations) > 0;
    let protocols = if follows_sctp {
        "tcp,udp,sctp"
    } else {
        "tcp,udp"
    };
    let protocols = load.protocols.unwrap_or(protocols);
    // All copies first, so that the apps begin together.
    let commands: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = network.client.command(&directory.app(name));
            command.args(["--deadline", "300", "churn", "--silent", SILENT]);
            command.args(["--protocols", protocols]);
            command.args(["--pace", &(load.pace / load.apps).to_string()]);
            command.args(["--seconds", &load.seconds.to_string()]);
            command
        })
        .collect();
    let mut running: Vec<Child> = commands.into_iter().map(start).collect();
    let mut watch = Watch::default();
    let mut next = Instant::now();
    let deadline = next + Duration::from_secs(load.seconds) + patience(10);
    loop {
        // Asked before the scrape, which then has all that an app did before its end.
        let is_running = running
            .iter_mut()
            .any(|app| app.try_wait().expect("ask for an app's state").is_none());
        let metrics = tracer.metrics();
        watch.look(&metrics);
        // Where counters are wrong they may never say so; that is told as what they say.
        if !is_running && (is_over(&metrics, &names) || Instant::now() >= deadline) {
            break;
        }
        assert!(
            Instant::now() < deadline + patience(30),
            "the apps do not end"
        );
        next = (next + PERIOD).max(Instant::now());
        sleep(next - Instant::now());
    }
    // What is over may have come to the counters after the last scrape had read the details.
    let metrics = tracer.metrics();
    watch.look(&metrics);
    let told = names.into_iter().zip(running).map(|(name, app)| {
        let output = app.wait_with_output().expect("wait for the generator");
        assert!(output.status.success(), "{name}: {}", output.status);
        let lines = str::from_utf8(&output.stdout).expect("text").lines();
        (name, truth::parse(lines))
    });
    let told: Vec<_> = told.collect();
    Churned {
        told,
        watch,
        metrics,
        active_opens: network.client.active_opens(),
    }
}

fn is_over(metrics: &Metrics, names: &[String]) -> bool {
    names
        .iter()
        .all(|name| truth::is_over(metrics, &[("app", name)]))
}

impl Churned {
    /// Fails where anything was found, then or at rest.
    fn assert_right(&self, mut findings: Findings) {
        let contacts = rest::begun(&self.told, None);
        let lost = self.metrics.sum("tracer_lost_total", &[]);
        rest::compare(&self.metrics, &self.told, &mut findings);
        let scrapes = self.watch.scrapes;
        findings.assert_none(&format!(
            "{contacts} contacts, {scrapes} scrapes, {lost} lost"
        ));
        self.metrics.assert_nothing_lost();
        assert_eq!(
            self.active_opens,
            rest::begun(&self.told, Some("tcp")),
            "the kernel's ActiveOpens and the generators' count"
        );
    }

    /// Fails where the machine was too busy for what was to be tried: with less than a quarter of the contacts, or a scrape
    /// in two seconds, nothing was.
    fn assert_was_churn(&self, load: &Load) {
        let contacts = rest::begun(&self.told, None);
        let scrapes = self.watch.scrapes;
        assert!(
            contacts >= load.pace * load.seconds / 4 && scrapes >= load.seconds / 2,
            "too slow to be a churn: {contacts} contacts, {scrapes} scrapes; hint: is the machine busy?"
        );
    }
}

/// As much as the machine is to bear, for so many seconds, or what an emulated one can bear.
fn load(protocols: Option<&'static str>, seconds: u64) -> Load {
    let (apps, pace, seconds) = if is_virtual() {
        (5, 300, 10)
    } else {
        (20, 10_000, seconds)
    };
    Load {
        protocols,
        apps,
        pace,
        seconds,
    }
}

#[test]
fn under_churn_no_counter_falls_and_each_contact_is_in_one_state() {
    let load = load(None, by_scope(10, 30));
    let mut churned = churn(&load);
    let findings = mem::take(&mut churned.watch.findings);
    churned.assert_right(findings);
    churned.assert_was_churn(&load);
}

#[test]
fn what_churn_made_is_exact_at_rest() {
    churn(&load(Some("tcp,udp"), by_scope(5, 10))).assert_right(Findings::default());
}
