//! A contact goes to the name that its app asked its C library for, whoever told the library: here a file does, and no socket shows it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    named::{Rows, rows},
    support::{Directory, Helper, Metrics, Tracer, network::Network, run, truth},
};

/// Names and addresses, of which a file tells. Three names share one.
const HOSTS: &str = "10.77.0.2 a.example b.example c.example\n10.77.0.3 only.example\nfd77::2 six.example\n\
    10.77.0.4 n0.example n1.example n2.example n3.example n4.example n5.example n6.example n7.example\n";

/// Two hosts, a server on all addresses of the one, and a file of names for the other.
pub struct World {
    network: Network,
    pub directory: Directory,
    server: Helper,
}

impl World {
    pub fn new(name: &str) -> Self {
        let (directory, network) = (Directory::new(name), Network::new());
        for at in [3, 4] {
            let server = &network.server.0;
            crate::support::ip(&format!("-n {server} addr add 10.77.0.{at}/24 dev s0"));
        }
        for (file, text) in [
            ("hosts", HOSTS),
            ("switch", "hosts: files\n"),
            ("asked.py", include_str!("asked.py")),
        ] {
            fs::write(directory.0.join(file), text).expect("write a file");
        }
        let mut server = network.server.command(&directory.app("server"));
        server.args(["serve", "--until-stdin-closes", "--listen"]);
        server.args(["0.0.0.0:80", "[::]:80"]);
        let server = Helper::start(&mut server, "ready");
        Self {
            network,
            directory,
            server,
        }
    }

    /// A command in a mount namespace of its own, where that file has the names.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.network.client.command(Path::new("unshare"));
        command.args([
            "--mount",
            "sh",
            "-c",
            // Where there is no such file, files are asked first anyway.
            "if [ -e /etc/nsswitch.conf ]; then mount -o bind switch /etc/nsswitch.conf; fi && \
             if [ -e resolv ]; then mount -o bind resolv /etc/resolv.conf; fi && \
             mount -o bind hosts /etc/hosts && exec \"$0\" \"$@\"",
        ]);
        command.arg(program).current_dir(&self.directory.0);
        command
    }

    /// Python under an app's name.
    fn python(&self, app: &str) -> Command {
        let script =
            "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)";
        let said = run(Command::new("python3").args(["-c", script]));
        let (program, home) = said.trim().split_once('\n').expect("two lines");
        let copy = self.directory.0.join(app);
        fs::copy(program, &copy).expect("copy Python");
        let mut command = self.command(&copy);
        command.env("PYTHONHOME", home).arg("asked.py");
        command
    }

    pub fn end(self) {
        self.server.finish();
    }
}

pub fn by_name(places: &[(&str, &str, u64)]) -> Rows {
    let row = |(destination, source, count): &(&str, &str, u64)| {
        let place = [*destination, "80", *source].map(str::to_owned);
        let [destination, port, source] = place;
        ((destination, port, source), *count)
    };
    places.iter().map(row).collect()
}

/// How often an app asked for a name in that way.
pub fn asked(metrics: &Metrics, app: &str, name: &str, via: &str) -> u64 {
    let labels = [("app", app), ("destination", name), ("via", via)];
    metrics.sum("tracer_lookups_total", &labels)
}

/// How often an app asked for anything.
pub fn asked_in_all(metrics: &Metrics, app: &str) -> u64 {
    metrics.sum("tracer_lookups_total", &[("app", app)])
}

/// What the tracer says once an app's contacts have ended.
fn ended(tracer: &Tracer, app: &str, contacts: u64) -> Metrics {
    tracer.wait_for(&format!("{app}'s contacts have ended"), |metrics| {
        truth::are_over(metrics, &[("app", app), ("direction", "out")], contacts)
    })
}

/// The same of its contacts with the server: what no file has is asked of DNS too, by musl and where no file says whom to ask.
pub fn by_port(tracer: &Tracer, app: &str, contacts: u64) -> Metrics {
    tracer.wait_for(&format!("{app}'s contacts have ended"), |metrics| {
        truth::are_over(metrics, &[("app", app), ("port", "80")], contacts)
    })
}

/// Where they count.
pub fn without_servers(metrics: &Metrics, app: &str) -> Rows {
    let mut rows = rows(metrics, app);
    rows.retain(|(_, port, _), _| port == "80");
    rows
}

/// An app, what it does, where its contacts count, and which names it asked for.
type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, u64)],
    &'static [(&'static str, u64)],
);

const CASES: &[Case] = &[
    (
        "calls",
        "call a.example six.example",
        &[("a.example", "lookup", 1), ("six.example", "lookup", 1)],
        &[("a.example", 1), ("six.example", 1)],
    ),
    (
        "capitals",
        "call A.Example a.example",
        &[("a.example", "lookup", 2)],
        &[("a.example", 2)],
    ),
    (
        // Python asks for what it is to ask `gethostbyname_r` for in the newer way before.
        "older",
        "older a.example b.example c.example",
        &[
            ("a.example", "lookup", 1),
            ("b.example", "lookup", 1),
            ("c.example", "lookup", 1),
        ],
        &[("a.example", 1), ("b.example", 1), ("c.example", 2)],
    ),
    (
        "threads",
        "threads a.example b.example",
        &[("a.example", "lookup", 1), ("b.example", "lookup", 1)],
        &[("a.example", 1), ("b.example", 1)],
    ),
    (
        "child",
        "child a.example b.example",
        &[("b.example", "lookup", 1)],
        &[("a.example", 1), ("b.example", 1)],
    ),
    (
        "in-vain",
        "in_vain missing.example 10.77.0.3",
        &[("10.77.0.3", "none", 1)],
        &[("missing.example", 1)],
    ),
    (
        "literal",
        "literal 10.77.0.3 only.example",
        &[("10.77.0.3", "none", 1)],
        &[],
    ),
];

#[test]
fn a_name_that_the_library_has_from_a_file_is_the_contacts_and_counts_once() {
    let world = World::new("asked");
    let tracer = Tracer::start(&[]);
    let mut wrong = Vec::new();
    for (app, does, places, names) in CASES {
        run(world.python(app).args(does.split(' ')));
        let contacts = places.iter().map(|place| place.2).sum();
        let metrics = ended(&tracer, app, contacts);
        let (found, expected) = (rows(&metrics, app), by_name(places));
        if found != expected {
            wrong.push(format!("{app}: {found:?}, not {expected:?}"));
        }
        for (name, times) in *names {
            let found = asked(&metrics, app, name, "getaddrinfo");
            if found != *times {
                wrong.push(format!("{app} asked for {name} {found} times, not {times}"));
            }
        }
        let all: u64 = names.iter().map(|(_, times)| times).sum();
        if asked_in_all(&metrics, app) != all {
            wrong.push(format!(
                "{app} asked {} times, not {all}",
                asked_in_all(&metrics, app)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    tracer.metrics().assert_nothing_lost();
    world.end();
}

/// Here and in the emulated machines, which have no more than a shell and its library.
#[test]
fn a_shell_contacts_by_the_names_that_a_file_has() {
    let world = World::new("asked-shell");
    let tracer = Tracer::start(&[]);
    let shell = world.directory.0.join("shell");
    fs::copy("/bin/bash", &shell).expect("copy bash");
    let script = "for name in a.example b.example six.example missing.example 10.77.0.3; do \
        true 3<>/dev/tcp/$name/80; done; true";
    let mut command = world.command(&shell);
    command.args(["-c", script]).stderr(Stdio::null());
    assert!(command.status().expect("start a shell").success());
    let metrics = by_port(&tracer, "shell", 4);
    let names = ["a.example", "b.example", "six.example"];
    let mut places = names.map(|name| (name, "lookup", 1)).to_vec();
    places.push(("10.77.0.3", "none", 1));
    assert_eq!(without_servers(&metrics, "shell"), by_name(&places));
    for name in names.into_iter().chain(["missing.example"]) {
        assert_eq!(asked(&metrics, "shell", name, "getaddrinfo"), 1, "{name}");
    }
    assert_eq!(asked_in_all(&metrics, "shell"), 4);
    metrics.assert_nothing_lost();
    world.end();
}

#[test]
fn a_thousand_calls_of_eight_threads_are_counted_and_none_has_anothers_name() {
    const TIMES: u64 = 125;
    let world = World::new("asked-often");
    let tracer = Tracer::start(&[]);
    let names: Vec<String> = (0..8).map(|number| format!("n{number}.example")).collect();
    run(world
        .python("often")
        .args(["many", &TIMES.to_string()])
        .args(&names));
    let metrics = ended(&tracer, "often", 8 * TIMES);
    let each: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "lookup", TIMES))
        .collect();
    assert_eq!(rows(&metrics, "often"), by_name(&each));
    for name in &names {
        assert_eq!(
            asked(&metrics, "often", name, "getaddrinfo"),
            TIMES,
            "{name}"
        );
    }
    assert_eq!(asked_in_all(&metrics, "often"), 8 * TIMES);
    metrics.assert_nothing_lost();
    world.end();
}

/// A program sets a limit to a call by a signal, and jumps out of it: what it asks DNS itself then is its own, and the next call is the next.
#[test]
fn a_call_that_is_left_by_a_jump_says_nothing_of_what_comes_behind() {
    let world = World::new("asked-left");
    for (file, text) in [
        ("switch", "hosts: files dns\n"),
        // Nobody is there.
        ("resolv", "nameserver 10.77.0.9\n"),
        ("library.c", include_str!("library.c")),
    ] {
        fs::write(world.directory.0.join(file), text).expect("write a file");
    }
    let program = world.directory.0.join("left");
    run(Command::new("gcc")
        .args(["-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(world.directory.0.join("library.c")));
    let tracer = Tracer::start(&[]);
    let mut asks = Helper::start(&mut world.command(&program), "ready");
    for line in [
        "leaves slow.example",
        "asks_dns own.example",
        "getaddrinfo a.example",
        "asks_dns later.example",
    ] {
        asks.say(line);
        assert_eq!(asks.line(), "done", "{line}");
    }
    asks.say("dies last.example");
    assert!(!asks.child.wait().expect("its end").success());
    let metrics = tracer.wait_for("the program is gone", |metrics| {
        asked(metrics, "left", "last.example", "dns") == 1
    });
    let places = by_name(&[("a.example", "lookup", 1)]);
    assert_eq!(without_servers(&metrics, "left"), places);
    for (name, via) in [
        ("slow.example", "dns"),
        ("own.example", "dns"),
        ("a.example", "getaddrinfo"),
        ("later.example", "dns"),
    ] {
        assert_eq!(asked(&metrics, "left", name, via), 1, "{name}");
    }
    assert_eq!(asked_in_all(&metrics, "left"), 5);
    metrics.assert_nothing_lost();
    world.end();
}

#[test]
fn with_names_off_no_library_is_probed() {
    let world = World::new("asked-off");
    assert!(probes(&Tracer::start(&[])) > 0);
    let tracer = Tracer::start(&["--names", "off"]);
    run(world.python("off").args(["call", "a.example"]));
    let metrics = ended(&tracer, "off", 1);
    assert_eq!(rows(&metrics, "off"), by_name(&[("10.77.0.2", "none", 1)]));
    assert_eq!(metrics.sum("tracer_lookups_total", &[]), 0);
    assert_eq!(
        metrics.sum("tracer_hook_attached", &[("signal", "lookups")]),
        0
    );
    assert_eq!(probes(&tracer), 0);
    world.end();
}

/// Probes that the tracer has in libraries.
fn probes(tracer: &Tracer) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", tracer.child.id()));
    let targets = descriptors
        .expect("its descriptors")
        .flatten()
        .map(|entry| fs::read_link(entry.path()));
    targets
        .flatten()
        .filter(|target| target.ends_with("anon_inode:[perf_event]"))
        .count()
}
