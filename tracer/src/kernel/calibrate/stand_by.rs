//! A process of which everything is known: the tracer's own program once more, which does nothing but stand by.
//!
//! It answers each byte on its standard input with one on its standard output; before that, at one of the two bytes, it
//! executes itself anew. It ends with its input.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::Context as _;

/// Name of the hidden command.
pub const COMMAND: &str = "stand-by";
/// Asks for an answer.
const ANSWER: u8 = b'.';
/// Asks for an execution, and an answer of what then runs.
const EXECUTE: u8 = b'!';

/// The process's own side. Returns when the input has ended.
pub fn stand_by() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin(), io::stdout());
    let mut byte = [ANSWER];
    loop {
        if byte[0] == EXECUTE {
            return Err(Command::new("/proc/self/exe").arg(COMMAND).exec());
        }
        output.write_all(&[ANSWER])?;
        output.flush()?;
        if input.read(&mut byte)? == 0 {
            return Ok(());
        }
    }
}

/// Such a process, ended with the value.
pub struct StandBy {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl StandBy {
    /// Starts one of this program, and returns when it stands by.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {} once more", program.display()))?;
        let input = child.stdin.take().context("its input")?;
        let output = child.stdout.take().context("its output")?;
        let mut started = Self {
            child,
            input,
            output,
        };
        started.await_answer()?;
        Ok(started)
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Lets it execute itself anew.
    pub fn execute(&mut self) -> anyhow::Result<()> {
        self.ask(EXECUTE)
    }

    /// Lets it run for a moment, and nothing else.
    pub fn run(&mut self) -> anyhow::Result<()> {
        self.ask(ANSWER)
    }

    fn ask(&mut self, byte: u8) -> anyhow::Result<()> {
        self.input
            .write_all(&[byte])
            .context("ask a process of our own")?;
        self.await_answer()
    }

    fn await_answer(&mut self) -> anyhow::Result<()> {
        self.output
            .read_exact(&mut [0])
            .context("a process of our own ended too early")
    }
}

impl Drop for StandBy {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
