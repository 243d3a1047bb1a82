//! How are the tests run against this machine's kernel?
//!
//! They mostly wait. What is to be built for other machines is built meanwhile, by processes that get only what nobody
//! else wants of the processors.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::architecture::Architecture;
use crate::build;
use crate::cache::Cache;
use crate::cross;
use crate::packages::Packages;
use crate::runner;

/// What `cargo test` said, and how it ended.
pub struct Said {
    pub output: Vec<u8>,
    pub status: ExitStatus,
}

/// `cargo test` of the whole workspace. It is built as for emulated machines, which run a part of it too.
pub fn command(quick: bool, arguments: &[String]) -> Result<Command> {
    let itself = env::current_exe().context("find xtask's own binary")?;
    let cache = Cache::open()?;
    let architecture = Architecture::of_this_machine()?;
    let mut command = cross::cargo(&cache, &Packages::new(&cache), architecture, "")?;
    cross::for_tests(&mut command);
    command
        .args(["test", "--workspace", "--target", architecture.triple()])
        .arg("--target-dir")
        .arg(build::target_dir())
        .arg("--config")
        // A list, not a line: the folder may have spaces in its name.
        .arg(format!(
            "target.'cfg(all())'.runner = [{:?}, \"runner\"]",
            itself.display().to_string()
        ))
        .args(arguments);
    if quick {
        command.env(runner::QUICK, "1");
    }
    Ok(command)
}

/// Runs it, and `work` as soon as it has built its tests and runs them. Its output is kept: that of both at once would be
/// nobody's to read. Where it fails, that is printed at once.
pub fn beside(command: &mut Command, work: impl FnOnce() -> Result<()> + Send) -> Result<Said> {
    let (reader, writer) = io::pipe().context("a pipe")?;
    command
        .stdout(writer.try_clone().context("a pipe's second end")?)
        .stderr(writer);
    let mut child = command.spawn().context("start cargo test")?;
    // It holds the ends that are written to; without this they would stay open after its end.
    command.stdout(io::stderr()).stderr(io::stderr());
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let work = scope.spawn(move || {
            // A sender that is gone has nothing to say any more: the tests are over, or were not built.
            let is_running = told.recv().is_ok();
            if is_running { idly(work) } else { Ok(()) }
        });
        let output = keep(reader, &tell);
        drop(tell);
        let status = child.wait().context("wait for cargo test")?;
        let said = Said {
            output: output.context("read what cargo test says")?,
            status,
        };
        if !said.status.success() {
            io::stdout().write_all(&said.output).context("print it")?;
        }
        match work.join() {
            Ok(done) => done.map(|()| said),
            Err(_) => bail!("what was to be built meanwhile panicked"),
        }
    })
}

/// Reads to the end; says when cargo starts the first test.
fn keep(reader: impl Read, tell: &mpsc::Sender<()>) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(reader);
    let (mut output, mut is_running) = (Vec::new(), false);
    loop {
        let start = output.len();
        if reader.read_until(b'\n', &mut output)? == 0 {
            return Ok(output);
        }
        if !is_running && output[start..].trim_ascii_start().starts_with(b"Running ") {
            is_running = true;
            // Nobody who listens any more need be told.
            let _ = tell.send(());
        }
    }
}

/// Does the work with what others leave of the processors; the processes that it starts inherit that.
fn idly(work: impl FnOnce() -> Result<()>) -> Result<()> {
    let nothing = libc::sched_param { sched_priority: 0 };
    // SAFETY: changes how this thread is scheduled; the structure is read only.
    let changed = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const nothing) };
    if changed != 0 {
        return Err(io::Error::last_os_error()).context("leave the processors to others");
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_work_begins_when_the_tests_run_and_all_that_they_say_is_kept() {
        let mut has_run = false;
        let mut command = shell("echo Compiling; echo '     Running a' >&2; echo ok");
        let said = beside(&mut command, || {
            has_run = true;
            // SAFETY: asks how this thread is scheduled.
            let policy = unsafe { libc::sched_getscheduler(0) };
            assert_eq!(policy, libc::SCHED_IDLE);
            Ok(())
        });
        let said = said.expect("both end well");
        assert!(said.status.success());
        assert_eq!(said.output, b"Compiling\n     Running a\nok\n");
        assert!(has_run);
    }

    #[test]
    fn nothing_is_done_beside_tests_that_are_not_built() {
        let mut has_run = false;
        let said = beside(&mut shell("echo error; exit 101"), || {
            has_run = true;
            Ok(())
        });
        assert_eq!(said.expect("it ended").status.code(), Some(101));
        assert!(!has_run);
    }

    #[test]
    fn work_that_fails_is_an_error() {
        let said = beside(&mut shell("echo Running a"), || bail!("no linker"));
        assert_eq!(
            said.map(|_| ()).expect_err("it failed").to_string(),
            "no linker"
        );
    }
}
