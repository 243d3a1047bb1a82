//! `tracer doctor`: what does this machine allow, and what is therefore not seen?

use std::{fs, path::Path};

use clap::Args;
use serde_json::json;

use super::{
    COULD_NOT_RUN, DONE, databases,
    device::{self, Device},
};
use crate::enrich::{DATA_DATE, mmdb::Kind};
use crate::kernel::{
    charges,
    globals::{KERNEL_BTF, Origin},
    hooks::{HOOKS, Hook, Need},
    load::{Options, Verdict},
    lookups::Lookups,
    source::Kernel,
    tables::Table,
};

#[derive(Args)]
pub struct Arguments {
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    databases: databases::Paths,
}

/// One thing about the machine.
struct Fact {
    name: &'static str,
    value: String,
}

/// Loads and attaches everything for a moment, proves that it fires, and says what came of it. 0 when the main job can run
/// here, 2 when not.
#[expect(clippy::print_stdout, reason = "the answer is data")]
pub fn doctor(arguments: &Arguments) -> u8 {
    let device = Device::at(Path::new("/"));
    let options = Options {
        by_sockets_user: device.is_some(),
        is_phone: device::has_kernel(Path::new("/")),
        names: true,
        ..Options::default()
    };
    let started = Kernel::start(&options);
    let (verdicts, origin, libraries, bytes, failure) = match started {
        Ok(kernel) => {
            let libraries = kernel.lookups.as_ref().map(Lookups::describe);
            let bytes = kernel.maps.tables.iter().map(Table::bytes).sum();
            (kernel.verdicts, Some(kernel.origin), libraries, bytes, None)
        }
        Err(error) => (Vec::new(), None, None, 0, Some(format!("{error:#}"))),
    };
    let mut facts = facts(origin);
    if failure.is_none() {
        facts.push(Fact {
            name: "kernel memory of the tables",
            value: megabytes(bytes),
        });
    }
    facts.push(Fact {
        name: "C libraries in use",
        value: match libraries {
            None => "not looked for".to_owned(),
            Some(libraries) if libraries.is_empty() => "none".to_owned(),
            Some(libraries) => libraries.join("; "),
        },
    });
    facts.extend(device.iter().flat_map(of_phone));
    facts.extend(of_data(&arguments.databases));
    if arguments.json {
        println!("{:#}", as_json(&facts, &verdicts, failure.as_deref()));
    } else {
        print!("{}", as_text(&facts, &verdicts, failure.as_deref()));
    }
    if failure.is_none() {
        DONE
    } else {
        COULD_NOT_RUN
    }
}

/// Bytes in megabytes of 10^6, to a tenth.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// `origin` is from where it is known what the kernel's structures look like, if that is known.
fn facts(origin: Option<Origin>) -> Vec<Fact> {
    let line = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .ok()
    };
    let present = |path: &str| {
        if Path::new(path).exists() {
            "yes"
        } else {
            "no"
        }
        .to_owned()
    };
    let fact = |name, value| Fact { name, value };
    vec![
        fact(
            "kernel",
            line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned()),
        ),
        fact("architecture", std::env::consts::ARCH.to_owned()),
        fact(
            "kernel type information (BTF)",
            origin.map_or_else(|| present(KERNEL_BTF), Origin::describe),
        ),
        fact(
            "lockdown",
            line("/sys/kernel/security/lockdown").unwrap_or_else(no_lockdown),
        ),
        fact(
            "unprivileged BPF disabled",
            line("/proc/sys/kernel/unprivileged_bpf_disabled").unwrap_or_default(),
        ),
        fact(
            "android packages list",
            present("/data/system/packages.list"),
        ),
    ]
}

/// What it means that the kernel does not say whether it is locked down.
fn no_lockdown() -> String {
    // The file system in which it would say so, which phones need not mount, is never empty.
    let is_mounted =
        fs::read_dir("/sys/kernel/security").is_ok_and(|mut files| files.next().is_some());
    let answer = if is_mounted {
        "none"
    } else {
        "not known: securityfs is not mounted"
    };
    answer.to_owned()
}

/// Which data there is of names and addresses.
fn of_data(databases: &databases::Paths) -> Vec<Fact> {
    let fact = |name, value| Fact { name, value };
    let (mut network, mut country) = ("none".to_owned(), "none".to_owned());
    match databases.open() {
        Ok(databases) => {
            for (kind, text) in databases::describe(&databases) {
                match kind {
                    Kind::Network => network = text,
                    Kind::Country => country = text,
                }
            }
        }
        Err(fault) => eprintln!("tracer: {fault:#}"),
    }
    vec![
        fact("data of companies", format!("built in, of {DATA_DATE}")),
        fact("data of networks", network),
        fact("data of countries", country),
    ]
}

/// What matters on a phone beside that.
fn of_phone(device: &Device) -> Vec<Fact> {
    let line = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.trim_matches(['\0', '\n', ' ']).to_owned()
    };
    let fact = |name, value| Fact { name, value };
    let domain = match (
        line("/proc/self/attr/current"),
        line("/sys/fs/selinux/enforce"),
    ) {
        (domain, _) if domain.is_empty() => "not in use".to_owned(),
        (domain, mode) if mode == "1" => format!("{domain}, enforced but for permissive domains"),
        (domain, _) => format!("{domain}, not enforced"),
    };
    let charges = match charges::find(Path::new(charges::FOLDER)) {
        Some(path) => format!("read from {}", path.display()),
        None => "not readable; downloads count for who fetches them".to_owned(),
    };
    // SAFETY: asks for a number.
    let user = unsafe { libc::geteuid() };
    let [name, version] = device.facts().map(|(name, value)| fact(name, value));
    vec![
        name,
        version,
        fact(
            "user",
            if user == 0 {
                "root".to_owned()
            } else {
                format!("{user}, not root")
            },
        ),
        fact("SELinux domain", domain),
        fact("whom netd charges", charges),
    ]
}

/// Each hook that was tried, and why it does not serve: its own failure, else that of the whole. Where the whole failed,
/// none was tried and all are listed.
fn answers<'a>(
    verdicts: &'a [Verdict],
    failure: Option<&'a str>,
) -> Vec<(&'static Hook, Option<&'a str>)> {
    if failure.is_some() {
        return HOOKS.iter().map(|hook| (hook, failure)).collect();
    }
    verdicts
        .iter()
        .map(|verdict| (verdict.hook, verdict.failure.as_deref()))
        .collect()
}

/// What nobody sees because of a hook that does not serve; nothing where another one serves its signal.
fn unseen(hook: &Hook, verdicts: &[Verdict]) -> Option<&'static str> {
    let is_served = verdicts
        .iter()
        .any(|verdict| verdict.hook.gives == hook.gives && verdict.failure.is_none());
    (!is_served).then(|| hook.gives.unseen())
}

fn as_json(facts: &[Fact], verdicts: &[Verdict], failure: Option<&str>) -> serde_json::Value {
    let signals: Vec<_> = answers(verdicts, failure)
        .into_iter()
        .map(|(hook, reason)| {
            json!({
                "signal": hook.gives.label(),
                "hook": hook.attach.label(),
                "attached": reason.is_none(),
                "required": hook.need == Need::Job,
                "reason": reason,
                "not_seen": reason.and_then(|_| unseen(hook, verdicts)),
            })
        })
        .collect();
    let machine: serde_json::Map<_, _> = facts
        .iter()
        .map(|fact| (fact.name.to_owned(), json!(fact.value)))
        .collect();
    json!({ "can_run": failure.is_none(), "failure": failure, "machine": machine, "signals": signals })
}

fn as_text(facts: &[Fact], verdicts: &[Verdict], failure: Option<&str>) -> String {
    let mut lines: Vec<String> = facts
        .iter()
        .map(|fact| format!("{:<30} {}", fact.name, fact.value))
        .collect();
    lines.push(String::new());
    lines.extend(
        answers(verdicts, failure)
            .into_iter()
            .map(|(hook, reason)| {
                let answer = match (reason, unseen(hook, verdicts)) {
                    (None, _) => format!("served by {}", hook.attach.label()),
                    (Some(reason), None) => format!("not by {} ({reason})", hook.attach.label()),
                    (Some(_), Some(unseen)) if failure.is_some() => {
                        format!("not served; not seen: {unseen}")
                    }
                    (Some(reason), Some(unseen)) => {
                        format!("not served ({reason}); not seen: {unseen}")
                    }
                };
                format!("{:<30} {answer}", hook.gives.label())
            }),
    );
    lines.push(match failure {
        None => "\nThe main job can run here.\n".to_owned(),
        Some(failure) => format!("\nThe main job cannot run here: {failure}\n"),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_whole_leaves_no_signal_served() {
        let answer = as_json(&facts(None), &[], Some("no root"));
        assert_eq!(answer["can_run"], json!(false));
        for signal in answer["signals"].as_array().expect("a list") {
            assert_eq!(signal["attached"], json!(false));
            assert_eq!(signal["reason"], json!("no root"));
        }
    }
}
