//! How is a program run that may never end?

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often it is looked whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);

pub struct Output {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// What tells most of it in one line: that which names an error, or else the first.
    pub fn summary(&self) -> &str {
        let lines = || self.stderr.lines().chain(self.stdout.lines());
        lines()
            .find(|line| line.contains("rror"))
            .or_else(|| lines().find(|line| !line.trim().is_empty()))
            .map_or("it said nothing", str::trim)
    }
}

/// Runs it without stdin, and ends it after some time.
pub fn output(command: &mut Command, patience: Duration) -> Result<Output> {
    let name = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {name}"))?;
    let stdout = child.stdout.take().map(|pipe| thread::spawn(|| text(pipe)));
    let stderr = child.stderr.take().map(|pipe| thread::spawn(|| text(pipe)));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("wait for a program")? {
            break status;
        }
        if start.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            bail!("no answer within {} s", patience.as_secs());
        }
        thread::sleep(LOOK);
    };
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    Ok(Output {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

fn text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What came before an error is all there is.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_given_up() {
        let start = Instant::now();
        let end = output(Command::new("sleep").arg("60"), Duration::from_millis(100));
        assert!(end.is_err());
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn an_error_says_more_than_what_comes_before_it() {
        let check = |stderr: &str, stdout: &str, expected| {
            let output = Output {
                code: Some(1),
                stdout: stdout.to_owned(),
                stderr: stderr.to_owned(),
            };
            assert_eq!(output.summary(), expected);
        };
        check("* daemon started\nerror: closed\n", "", "error: closed");
        check("", "[ 10%] x\nadb: error: full\n", "adb: error: full");
        check("\n", " failed to connect\n", "failed to connect");
        check("", "", "it said nothing");
    }

    #[test]
    fn what_a_program_says_is_kept_apart() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let output = output(&mut command, Duration::from_secs(30)).expect("sh");
        assert_eq!(output.code, Some(3));
        assert_eq!((&*output.stdout, &*output.stderr), ("out\n", "err\n"));
    }
}
