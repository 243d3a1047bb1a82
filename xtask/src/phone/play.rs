//! How does an app on the phone come to do something?

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::boot::folder;
use super::inside::{PACKAGES, PHONE, ZYGOTE};
use crate::android::device::Device;
use crate::android::root::Root;

/// Has somebody on the phone do what the lines say, and returns the answers. The first that is an error ends it.
pub fn tell(device: &Device, root: Root, socket: &str, lines: &[String]) -> Result<Vec<String>> {
    let name = format!("{}-lines", device.serial.replace(':', "-"));
    let file = folder()?.join(&name);
    fs::write(&file, lines.join("\n")).with_context(|| format!("write {}", file.display()))?;
    let there = format!("/data/local/tmp/{name}");
    device.push(&file, &there)?;
    let script = root.script(&format!(
        "{PHONE} tell {socket} {there}; end=$?; rm {there}; exit $end"
    ));
    let output = device.shell_patiently(&script, super::proof::PATIENCE)?;
    ensure!(output.is_success(), "on the phone: {}", output.summary());
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

/// An app makes contacts; it is installed where it is not.
pub fn play(device: &Device, root: Root, app: &str, to: &str, times: u32) -> Result<()> {
    ensure!(
        !app.is_empty() && !app.contains(char::is_whitespace),
        "{app:?} is no name of an app"
    );
    let list = device.ask(&root.script(&format!("cat {PACKAGES}")))?;
    let mut lines = Vec::new();
    let known = app_id(&list, app);
    let id = known.unwrap_or_else(|| next_id(&list));
    if known.is_none() {
        lines.push(format!("install {app} {id} 1"));
    }
    lines.push(format!("app {id} {app} tcp {to} {times} 100 1000"));
    let answers = tell(device, root, ZYGOTE, &lines)?;
    match answers
        .last()
        .map(|line| line.trim_start_matches("ok").trim())
    {
        Some(made) if made == times.to_string() => Ok(()),
        other => bail!("{other:?} of {times} contacts were made"),
    }
}

fn app_id(list: &str, app: &str) -> Option<u32> {
    let mut lines = list.lines().map(|line| line.split(' '));
    let mut fields = lines.find_map(|mut fields| (fields.next() == Some(app)).then_some(fields))?;
    fields.next()?.parse().ok()
}

/// Above all that there are.
fn next_id(list: &str) -> u32 {
    let ids = list
        .lines()
        .filter_map(|line| line.split(' ').nth(1)?.parse::<u32>().ok());
    ids.max().unwrap_or(0).max(10_099) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_the_id_of_the_list_or_the_next() {
        let list = "android 1000 0\ncom.foo 10120 0\n";
        assert_eq!(app_id(list, "com.foo"), Some(10_120));
        assert_eq!(app_id(list, "com.fo"), None);
        assert_eq!(next_id(list), 10_121);
        assert_eq!(next_id(""), 10_100);
    }
}
