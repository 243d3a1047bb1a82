//! Does the tracer count every contact of a day on each phone, as a Prometheus on this machine sees it?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::boot::{Phone, folder};
use super::day::{Counts, Day, Row};
use super::emulator::free_port;
use super::image::Programs;
use super::inside::{NETD, ZYGOTE};
use super::models::{MODELS, Model};
use super::play::tell;
use super::prometheus::{Labels, Prometheus};
use crate::android::adb::Adb;
use crate::android::device::Device;
use crate::android::forward::{self, Wish};
use crate::android::root::Root;
use crate::android::{build, push, start, stop};
use crate::architecture::Architecture;
use crate::cache::Cache;
use crate::needs::Purpose;
use crate::setup::setup;

/// Half a day, on an emulated phone, on a machine with others.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// What the tracer may take at the end of the day, in kB, and how large it may be on disk, in bytes.
const RESIDENT: u64 = 12_000;
const SIZE: u64 = 6_000_000;
/// Times that it may wake the phone up while nothing happens, in so many seconds.
const IDLE: u64 = 20;
const WAKES: u64 = 2 * IDLE;

/// An adb server of our own, so that nobody's devices are in it and ours in nobody's.
struct Server(Adb);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.run(&["kill-server"]);
    }
}

/// Proves it on the phone that is named, else on all.
pub fn prove_all(named: Option<&'static Model>) -> Result<()> {
    setup(Purpose::Test)?;
    Adb::ready()?;
    let server = Server(Adb {
        server: Some(free_port()?),
    });
    let cache = Cache::open()?;
    let binary = build::build_one(Architecture::Arm)?;
    let size = fs::metadata(&binary).context("the binary's size")?.len();
    ensure!(
        size < SIZE,
        "the binary has {size} bytes, {SIZE} are allowed"
    );
    let programs = Programs::build(&cache)?;
    let models: Vec<&Model> = MODELS
        .iter()
        .filter(|model| named.is_none_or(|named| named.name == model.name))
        .collect();
    let failed = thread::scope(|scope| {
        let (adb, cache, programs, binary) = (&server.0, &cache, &programs, &binary);
        let threads: Vec<_> = models
            .iter()
            .map(|model| scope.spawn(|| report(model, adb, cache, programs, binary)))
            .collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(false));
        ends.filter(|good| !good).count()
    });
    if failed > 0 {
        bail!(
            "{failed} of {} phones failed\nhint: what they said is in {}",
            models.len(),
            folder()?.display()
        );
    }
    Ok(())
}

fn report(model: &Model, adb: &Adb, cache: &Cache, programs: &Programs, binary: &Path) -> bool {
    let start = Instant::now();
    let end = Phone::start(model, programs, cache, adb).and_then(|phone| {
        let end = prove(model, &phone.device, binary);
        if end.is_err() {
            let root = Root::gain(&phone.device);
            let log = root.and_then(|_| crate::android::logs::logs(&phone.device));
            eprintln!(
                "{}: the tracer said:\n{}",
                model.name,
                log.unwrap_or_default()
            );
        }
        end
    });
    let seconds = start.elapsed().as_secs_f64();
    match &end {
        Ok(said) => eprintln!("ok     {seconds:>6.1} s  {}: {said}", model.name),
        Err(error) => eprintln!("FAILED {seconds:>6.1} s  {}: {error:#}", model.name),
    }
    end.is_ok()
}

fn prove(model: &Model, device: &Device, binary: &Path) -> Result<String> {
    push::push(device, binary)?;
    doctor_without_root(device)?;
    let root = Root::gain(device)?;
    doctor(model, device, root)?;
    let wish = Wish {
        from: free_port()?,
        is_exact: true,
    };
    let started = start::start(device, wish, &[])?;
    ensure!(!started.was_running, "it ran before");
    ensure!(
        start::start(device, wish, &[])?.was_running,
        "it was started twice"
    );
    let netd = |line: &str| tell(device, root, NETD, &[line.to_owned()]);
    netd("check").context("netd, after the start")?;

    let prometheus = Prometheus::start(&folder()?, started.port)?;
    let day = Day::new();
    let mut made = count(&tell(device, root, ZYGOTE, &day.morning)?);
    // Where it found one of its places taken it would end, and Android with it.
    netd("restart").context("netd, when it starts again")?;
    made += count(&tell(device, root, ZYGOTE, &day.evening)?);
    netd("check").context("netd, after the day")?;
    ensure!(
        made == day.total(),
        "{made} of {} contacts were made",
        day.total()
    );
    compare(&prometheus, &day)?;
    drop(prometheus);

    let figures = figures(device, root)?;
    ensure!(stop::stop(device)?, "it did not run any more");
    ensure!(forward::existing(device)?.is_none(), "a forward stays");
    netd("check").context("netd, after the end")?;
    Ok(format!(
        "{made} contacts of a day, each under its app, user and destination; {figures}"
    ))
}

/// The numbers in the answers.
fn count(answers: &[String]) -> u64 {
    let number = |line: &String| line.strip_prefix("ok")?.trim().parse::<u64>().ok();
    answers.iter().filter_map(number).sum()
}

/// What a user sees who forgot to become root.
fn doctor_without_root(device: &Device) -> Result<()> {
    let output = device.shell(&format!("{} doctor", device.path("tracer")))?;
    let said = &output.stdout;
    ensure!(
        !output.is_success(),
        "doctor has nothing to say to a user who is not root"
    );
    for part in [
        "2000, not root",
        "The main job cannot run here",
        "hint: ",
        "adb root",
    ] {
        ensure!(said.contains(part), "doctor does not say {part:?}:\n{said}");
    }
    Ok(())
}

fn doctor(model: &Model, device: &Device, root: Root) -> Result<()> {
    let said = device.ask(&root.script(&format!("{} doctor", device.path("tracer"))))?;
    let android = format!("{} (SDK {}, build userdebug)", model.android, model.sdk);
    let name = format!("tracer {}", model.name);
    let mut parts = vec![
        &*android,
        &*name,
        "netd_shared/map_netd_cookie_tag_map",
        "served by inet_sock_set_state",
        "served by inet_stream_connect",
        "served by udp_sendmsg",
        "served by __udp_enqueue_schedule_skb",
        "The main job can run here.",
    ];
    if !model.has_types {
        parts.push("missing; ");
    }
    for part in parts {
        ensure!(said.contains(part), "doctor does not say {part:?}:\n{said}");
    }
    ensure!(
        !said.contains("served by cgroup_"),
        "a place of netd's is taken:\n{said}"
    );
    Ok(())
}

/// Every series of the day, and no other.
fn compare(prometheus: &Prometheus, day: &Day) -> Result<()> {
    let families = ["connections", "sent_bytes", "received_bytes"];
    let queries = families.map(|family| {
        format!(
            "sum by (app, user, destination, protocol) (tracer_{family}_total{{direction=\"out\",destination=~\"198[.]1[89][.].*|2001:db8:.*\"}})"
        )
    });
    let lost = [
        "sum(tracer_lost_total)".to_owned(),
        "sum(tracer_unattributed_connections_total)".to_owned(),
        "tracer_app_info{app=\"com.example.app08\",user=\"0\",version=\"2\"}".to_owned(),
    ];
    let answers = prometheus.fresh(&[&queries[..], &lost[..]].concat())?;
    let mut seen: BTreeMap<Labels, Counts> = BTreeMap::new();
    for (at, rows) in answers[..3].iter().enumerate() {
        for (labels, value) in rows {
            let counts = seen.entry(labels.clone()).or_default();
            match at {
                0 => counts.contacts = *value,
                1 => counts.sent = *value,
                _ => counts.received = *value,
            }
        }
    }
    let expected: BTreeMap<Labels, Counts> = day
        .truth
        .iter()
        .map(|(row, counts)| (labels(row), *counts))
        .collect();
    let wrong: Vec<String> = expected
        .keys()
        .chain(seen.keys())
        .filter(|labels| expected.get(*labels) != seen.get(*labels))
        .map(|labels| {
            format!(
                "{labels:?}: {:?} instead of {:?}",
                seen.get(labels),
                expected.get(labels)
            )
        })
        .collect();
    ensure!(
        wrong.is_empty(),
        "{} series are wrong, the first of them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    for (what, answer, expected) in [
        ("lost", &answers[3], 0),
        ("without an app", &answers[4], 0),
        ("updated", &answers[5], 1),
    ] {
        let value = answer.values().sum::<u64>();
        ensure!(value == expected, "{what}: {value} instead of {expected}");
    }
    Ok(())
}

fn labels(row: &Row) -> Labels {
    let pairs = [
        ("app", row.app.clone()),
        ("user", row.user.to_string()),
        ("destination", row.destination.clone()),
        ("protocol", row.protocol.to_owned()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// What it takes, with nobody asking.
fn figures(device: &Device, root: Root) -> Result<String> {
    let ask = |script: &str| -> Result<u64> {
        let script = format!(
            "cd /proc/$(cat {})/task || exit 1; {script}",
            device.path("tracer.pid")
        );
        let said = device.ask(&root.script(&script))?;
        said.split_whitespace()
            .map(|word| {
                word.parse::<u64>()
                    .with_context(|| format!("{said:?} is no number"))
            })
            .sum()
    };
    let resident = ask("sed -n 's/^VmRSS: *\\([0-9]*\\) kB/\\1/p' ../status")?;
    let switches = "sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' */status";
    let before = ask(switches)?;
    thread::sleep(Duration::from_secs(IDLE));
    let wakes = ask(switches)? - before;
    ensure!(
        resident < RESIDENT,
        "{resident} kB resident, {RESIDENT} are allowed"
    );
    ensure!(
        wakes <= WAKES,
        "woke up {wakes} times in {IDLE} s, {WAKES} are allowed"
    );
    Ok(format!(
        "{resident} kB resident, {wakes} wake-ups in {IDLE} idle seconds"
    ))
}
