//! How is a program of the demo run to its end, and what is waited for?

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::stop;
use crate::bench::process::die_with_us;

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs a program to its end, which must be good. What it says on both outputs goes to a file, whose text is returned.
pub fn run(command: &mut Command, log: &Path, seconds: u64) -> Result<String> {
    let name = command.get_program().display().to_string();
    let file = fs::File::create(log).with_context(|| format!("write {}", log.display()))?;
    let errors = file.try_clone().context("one more descriptor")?;
    let command = die_with_us(command).stdout(file).stderr(errors);
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    let mut status = None;
    let end = wait(&name, seconds, || {
        status = child.try_wait().context("wait for a program")?;
        Ok(status.is_some())
    });
    if end.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    end?;
    let said = fs::read(log).with_context(|| format!("read {}", log.display()))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    match status {
        Some(status) if status.success() => Ok(said),
        _ => bail!("{command:?} failed; it said:\n{said}"),
    }
}

/// The same for one that reads nothing and ends within seconds.
pub fn finish(command: &mut Command, log: &Path) -> Result<String> {
    run(command.stdin(Stdio::null()), log, 20)
}

/// Waits until something is so, for so many seconds at most, or until a signal ends the demo.
pub fn wait(what: &str, seconds: u64, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        stop::check()?;
        let is_late = start.elapsed() > Duration::from_secs(seconds);
        ensure!(!is_late, "{what}: not within {seconds} s");
        sleep(PAUSE);
    }
    stop::check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("demo-child-{name}-{}", std::process::id()))
    }

    #[test]
    fn what_a_program_says_is_returned_and_its_failure_tells_it() {
        let log = log("says");
        let mut good = Command::new("sh");
        let said = finish(good.args(["-c", "echo out; echo err >&2"]), &log);
        assert_eq!(said.expect("it ends well"), "out\nerr\n");
        let mut bad = Command::new("sh");
        let error = finish(bad.args(["-c", "echo why; exit 3"]), &log).expect_err("it fails");
        assert!(
            format!("{error:#}").ends_with("it said:\nwhy\n"),
            "{error:#}"
        );
        let _ = fs::remove_file(&log);
    }

    #[test]
    fn what_does_not_come_is_waited_for_no_longer_than_said() {
        let error = wait("the day", 0, || Ok(false)).expect_err("it does not come");
        assert_eq!(error.to_string(), "the day: not within 0 s");
        wait("now", 0, || Ok(true)).expect("it is so");
    }
}
