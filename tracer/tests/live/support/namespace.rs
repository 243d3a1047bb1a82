//! Network namespaces to make traffic in.

use std::{path::Path, process::Command};

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
        let text =
            run(Command::new("ip").args(["netns", "exec", &self.0, "cat", "/proc/self/net/snmp"]));
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let at = names
            .split(' ')
            .position(|name| name == "ActiveOpens")
            .expect("the counter");
        values
            .split(' ')
            .nth(at)
            .and_then(|value| value.parse().ok())
            .expect("a number")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}
