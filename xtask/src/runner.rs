//! How does one test binary run? `cargo xtask test` has cargo start each of them through here.
//!
//! The live tests load programs into the kernel: they need root, and are run by `live`.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::ebpf;
use crate::live;
use crate::step;

/// Set by `test --quick`: live tests are built, and not run.
pub const QUICK: &str = "XTASK_TEST_QUICK";

/// Becomes the test binary; returns when it is skipped, or cannot be started.
pub fn start(program_and_arguments: &[String]) -> Result<()> {
    let [program, arguments @ ..] = program_and_arguments else {
        bail!("no program to start");
    };
    if !is_live(program) {
        return Err(instead(Command::new(program).args(arguments)));
    }
    if env::var_os(QUICK).is_some() {
        eprintln!("     Skipped: live tests, because of --quick");
        return Ok(());
    }
    if step::is_root() {
        return live::run(program, arguments);
    }
    let Some(sudo) = ebpf::find_program("sudo") else {
        bail!(
            "live tests need root, and there is no sudo\nhint: run as root, or cargo xtask test --quick"
        );
    };
    let itself = env::current_exe().context("find xtask's own binary")?;
    let mut command = Command::new(sudo);
    command.args(["--preserve-env", "--"]).arg(itself);
    Err(instead(command.arg("runner").args(program_and_arguments)))
}

/// Becomes another program; returns why it cannot.
fn instead(command: &mut Command) -> anyhow::Error {
    let error = command.exec();
    anyhow::Error::new(error).context(format!("start {}", command.get_program().display()))
}

/// cargo names a test binary after its file or folder in `tests/`, with a hash behind: `live-HASH`.
fn is_live(program: &str) -> bool {
    Path::new(program)
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"live-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_test_is_known_by_its_file_name() {
        let check = |program, expected| assert_eq!(is_live(program), expected, "{program}");
        check("/target/debug/deps/live-0123456789abcdef", true);
        check("/live/debug/deps/tracer-0123456789abcdef", false);
        check("/target/debug/deps/delivery-0123456789abcdef", false);
    }
}
