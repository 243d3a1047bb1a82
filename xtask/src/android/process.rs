//! Is tracer running on the device, and what did it say?

use anyhow::Result;

use super::device::{Device, quote};
use super::root::Root;

/// Written into the log when it is started, so that what it said since can be found.
pub const MARK: &str = "== started by cargo xtask android";

/// As many lines of a log as tell why something ended.
const LINES: usize = 20;

/// The number of its process. A number left by one that is gone may be somebody else's by now, so what runs there must be
/// called like tracer. The shell sees other users' processes on Android, and else root does.
pub fn running(device: &Device, root: Option<Root>) -> Result<Option<u32>> {
    let script = root.unwrap_or(Root::Shell).script(&find(device));
    let output = device.shell(&script)?;
    Ok(output.stdout.trim().parse().ok())
}

/// A script that prints the number of its process, or nothing.
pub fn find(device: &Device) -> String {
    format!(
        "folder={}
pid=$(cat \"$folder/tracer.pid\" 2>/dev/null)
case \"$pid\" in ''|*[!0-9]*) exit 0;; esac
line=$(tr '\\0' ' ' 2>/dev/null < \"/proc/$pid/cmdline\")
case \"$line\" in *\"$folder/tracer run\"*) echo \"$pid\";; esac",
        quote(&device.folder)
    )
}

/// Whether what runs was started before the last push.
pub fn is_older(device: &Device, root: Option<Root>) -> Result<bool> {
    let script = format!("[ -e {} ]", quote(&device.path("tracer.pushed")));
    let script = root.unwrap_or(Root::Shell).script(&script);
    Ok(device.shell(&script)?.is_success())
}

/// What it said last.
pub fn last_words(device: &Device, root: Root) -> Result<String> {
    let script = format!(
        "tail -n 100 {} 2>/dev/null",
        quote(&device.path("tracer.log"))
    );
    let output = device.shell(&root.script(&script))?;
    Ok(since_mark(&output.stdout))
}

fn since_mark(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let mark = lines.iter().rposition(|line| line.starts_with(MARK));
    let said = &lines[mark.map_or(0, |mark| mark + 1)..];
    let said = &said[said.len().saturating_sub(LINES)..];
    if said.is_empty() {
        return "it said nothing".to_owned();
    }
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_those_since_the_start() {
        assert_eq!(
            since_mark(&format!("old\n{MARK}\nnew\nlast\n")),
            "new\nlast"
        );
        assert_eq!(since_mark(&format!("old\n{MARK}\n")), "it said nothing");
        assert_eq!(since_mark("only\n"), "only");
        let long = "x\n".repeat(50);
        assert_eq!(since_mark(&long).lines().count(), LINES);
    }
}
