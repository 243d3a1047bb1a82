//! Programs that a test runs.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

/// Runs a command to its end, which must be good, and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("run a command");
    assert!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    String::from_utf8(output.stdout).expect("text")
}

/// `ip` with arguments in one string.
pub fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

/// A server or holder of the generator: a child that says a line when it is ready and ends when its input does.
pub struct Helper {
    pub child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Helper {
    /// Starts it and waits for its first line, which must be `ready`.
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let mut helper = Self::spawn(command);
        assert_eq!(helper.line(), ready);
        helper
    }

    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("start a helper");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    /// Its next line.
    pub fn line(&mut self) -> String {
        self.lines.next().expect("one more line").expect("text")
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("its input"), "{line}").expect("say a line");
    }

    /// Closes its input, and returns the lines it still prints.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let rest = self
            .lines
            .by_ref()
            .map(|line| line.expect("text"))
            .collect();
        let status = self.child.wait().expect("wait for a helper");
        assert!(status.success(), "a helper ended with {status}");
        rest
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
