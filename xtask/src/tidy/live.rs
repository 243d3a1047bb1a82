//! Does each live test stand in the table that says where it runs, and does each row there mean something?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::broken;
use crate::plan;
use crate::step;

/// What is against the rules.
pub fn check() -> Result<Vec<String>> {
    let folder = step::workspace().join("tracer/tests/live");
    let names = names(&folder)?;
    let existing: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut offences: Vec<String> = plan::offences(&existing);
    for patch in broken::patches()? {
        let fits = Command::new("git")
            .args(["apply", "--check"])
            .arg(&patch)
            .current_dir(step::workspace())
            .status()
            .context("start git apply")?;
        if !fits.success() {
            offences.push(format!("{}: it no longer applies", patch.display()));
        }
    }
    Ok(offences)
}

/// The tests in the files of a folder, by their modules.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let files = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for file in files {
        let path = file.context("list the live tests")?.path();
        let module = path.file_stem().and_then(|stem| stem.to_str());
        if let Some(module) = module.filter(|_| path.is_file()) {
            let text = fs::read_to_string(&path).with_context(|| format!("read {module}"))?;
            names.extend(tests(&text).map(|test| format!("{module}::{test}")));
        }
    }
    Ok(names)
}

/// The names of the functions behind `#[test]`.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|rest| {
        let (_, name) = rest.split_once("fn ")?;
        name.split('(').next()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tests_of_a_file_are_found() {
        let mark = concat!("#[te", "st]");
        let text =
            format!("fn a() {{}}\n{mark}\nfn b() {{}}\n{mark}\n#[ignore = \"fn\"]\nfn c() {{}}\n");
        let text = text.replace("\"fn\"", "\"no\"");
        assert_eq!(super::tests(&text).collect::<Vec<_>>(), ["b", "c"]);
    }
}
