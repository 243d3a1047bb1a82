//! Network namespaces to make traffic in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ip, run};

/// A network namespace that goes with the value.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        Self(name)
    }

    /// A command that runs in it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// The kernel's own count of connects: `Tcp: ActiveOpens`.
    pub fn active_opens(&self) -> u64 {
        self.counter("snmp", "Tcp: ", "ActiveOpens")
    }

    /// Connections that were reset before a listener with a full queue had accepted them, as the kernel counts them: `TcpExt:
    /// EmbryonicRsts`. Who connects has seen them established.
    pub fn reset_unaccepted(&self) -> u64 {
        self.counter("netstat", "TcpExt: ", "EmbryonicRsts")
    }

    /// A counter of a file in `/proc/net`: a row of names, and one of numbers.
    fn counter(&self, file: &str, row: &str, name: &str) -> u64 {
        let path = format!("/proc/self/net/{file}");
        let text = run(Command::new("ip").args(["netns", "exec", &self.0, "cat", &path]));
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(row));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let at = names.split(' ').position(|found| found == name);
        values
            .split(' ')
            .nth(at.expect("the counter"))
            .and_then(|value| value.parse().ok())
            .expect("a number")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Files of `/etc` that are a namespace's own. They go with the value.
pub struct Files(PathBuf);

impl Files {
    pub fn new(namespace: &Namespace, files: &[(&str, &str)]) -> Self {
        let own = Self(Path::new("/etc/netns").join(&namespace.0));
        fs::create_dir_all(&own.0).expect("a directory for the namespace's files");
        for (name, text) in files {
            fs::write(own.0.join(name), text).expect("write a file of the namespace");
        }
        own
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // Goes only where nobody else has files there.
        let _ = fs::remove_dir("/etc/netns");
    }
}
