//! A place of its own for each test: a folder, and for root a network in which there is nobody but the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::server::Server;
use super::tables::{OLD, country, network, sum, table};

pub const NETWORK: &str = "origin-asn.mmdb";
pub const COUNTRY: &str = "server-country.mmdb";

pub struct World {
    pub folder: PathBuf,
    /// Whether this thread has a network of its own.
    alone: bool,
}

/// What a command said, on both its outputs, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub text: String,
}

impl Said {
    #[track_caller]
    pub fn check(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for says in says {
            assert!(self.text.contains(says), "not said {says:?}: {}", self.text);
        }
        self
    }
}

pub fn is_root() -> bool {
    // SAFETY: it only asks.
    unsafe { libc::geteuid() == 0 }
}

impl World {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-update-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        // Servers and tracers that this thread starts are in its network, where it can be counted whom they contact.
        // SAFETY: it changes what this thread sees, and nothing else.
        let alone = is_root() && unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        assert!(alone || !is_root(), "no network namespace");
        if alone {
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            assert!(up.expect("start ip").success(), "no loopback");
        }
        Self { folder, alone }
    }

    /// One with tables, fetched from a folder, that are older than what is to come.
    pub fn with_old_tables() -> Self {
        let world = Self::new();
        let from = world.folder.join("old");
        fs::create_dir_all(&from).expect("a folder");
        for (name, bytes) in [
            (NETWORK, table(network, OLD)),
            (COUNTRY, table(country, OLD)),
        ] {
            fs::write(from.join(name), &bytes).expect("a table");
            let text = format!("{}  {name}\n", sum(&bytes));
            fs::write(from.join(format!("{name}.sha256")), text).expect("a sum");
        }
        world.update(&["--from", &path(&from)]).check(0, &[]);
        world
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A `tracer data` to be started: without a proxy of this machine's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
        command.env_clear().current_dir(&self.folder);
        command.arg("data").args(arguments).stdin(Stdio::null());
        command
    }

    pub fn update_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["update", "--data-dir", &path(&self.data())]);
        command.args(arguments);
        command
    }

    pub fn update(&self, arguments: &[&str]) -> Said {
        said(&mut self.update_command(arguments))
    }

    pub fn verify(&self) -> Said {
        said(&mut self.command(&["verify", "--data-dir", &path(&self.data())]))
    }

    /// Every file of the data, with its bytes.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.data()) else {
            return BTreeMap::new();
        };
        let entries = entries.map(|entry| entry.expect("an entry"));
        entries
            .map(|entry| {
                let name = entry.file_name().into_string().expect("a name");
                (name, fs::read(entry.path()).expect("a file"))
            })
            .collect()
    }

    pub fn lock(&self) -> serde_json::Value {
        let text = fs::read(self.data().join("lock.json")).expect("a lock");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Connections that were begun in this network, and datagrams that left in it, by the kernel's own count.
    fn contacts(&self) -> Option<[u64; 2]> {
        self.alone.then(|| {
            let text = fs::read_to_string("/proc/thread-self/net/snmp").expect("counters");
            [("Tcp:", "ActiveOpens"), ("Udp:", "OutDatagrams")].map(|(protocol, name)| {
                let mut lines = text.lines().filter(|line| line.starts_with(protocol));
                let mut words = || lines.next().expect("a line").split(' ');
                let (names, values) = (words(), words());
                let mut pairs = names.zip(values);
                let (_, value) = pairs.find(|(other, _)| *other == name).expect("a counter");
                value.parse().expect("a number")
            })
        })
    }

    /// Runs something that makes exactly so many connections, and sends no datagram.
    #[track_caller]
    pub fn contacting<T>(&self, connections: u64, run: impl FnOnce() -> T) -> T {
        let before = self.contacts();
        let result = run();
        if let (Some(before), Some(after)) = (before, self.contacts()) {
            let new = [after[0] - before[0], after[1] - before[1]];
            assert_eq!(new, [connections, 0], "connections and datagrams");
        }
        result
    }
}

impl World {
    /// Runs something that contacts a server, and nobody else.
    #[track_caller]
    pub fn contacting_all<T>(&self, server: &Server, run: impl FnOnce() -> T) -> T {
        let before = self.contacts();
        let result = run();
        if let (Some(before), Some(after)) = (before, self.contacts()) {
            let new = [after[0] - before[0], after[1] - before[1]];
            assert_eq!(new, [server.count(), 0], "connections and datagrams");
        }
        result
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn said(command: &mut Command) -> Said {
    let output = command.output().expect("the tracer runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Said {
        code: output.status.code(),
        text: text.into_owned(),
    }
}

pub fn path(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}
