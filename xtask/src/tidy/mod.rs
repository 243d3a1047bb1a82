//! Does the code base keep the rules that no other tool knows?

mod live;
mod stages;
mod text;
mod tokens;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step;

/// What a rule has to say about one file.
#[derive(Debug, PartialEq)]
enum Finding {
    /// Worth a look; the check passes.
    Note(String),
    /// Against the rules.
    Offence(String),
}

/// Checks every file that git knows, or would know after `git add`.
pub fn tidy() -> Result<()> {
    let mut offences = 0;
    for path in files()? {
        // Deleted but not committed yet, or not text: nothing to read.
        let Ok(text) = fs::read_to_string(step::workspace().join(&path)) else {
            continue;
        };
        for finding in check(&path, &text) {
            match finding {
                Finding::Note(note) => eprintln!("tidy: note: {path}: {note}"),
                Finding::Offence(offence) => {
                    offences += 1;
                    eprintln!("tidy: {path}: {offence}");
                }
            }
        }
    }
    for offence in live::check()? {
        offences += 1;
        eprintln!("tidy: {offence}");
    }
    if offences > 0 {
        bail!("{offences} offences against tidy");
    }
    Ok(())
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = text::check(path, text);
    findings.extend(stages::check(path, text));
    findings
}

fn files() -> Result<Vec<String>> {
    let output = Command::new("git")
        // CI often checks out as one user and runs as another, which git refuses unless told otherwise.
        .args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "-co",
            "--exclude-standard",
        ])
        .current_dir(step::workspace())
        .output()
        .context("git ls-files")?;
    if !output.status.success() {
        bail!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let list = String::from_utf8(output.stdout).context("git ls-files")?;
    Ok(list.split_terminator('\0').map(str::to_owned).collect())
}
