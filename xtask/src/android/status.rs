//! What is there to say about a device, and tracer on it?

use anyhow::Result;

use super::device::{Device, quote};
use super::facts::Facts;
use super::forward;
use super::process;
use super::ready::{self, Readiness};
use super::root::Root;

/// Names and values, in the order in which they are told. Nothing is changed on the device.
pub fn status(device: &Device) -> Result<Vec<(&'static str, String)>> {
    let facts = Facts::of(device)?;
    let root = Root::find(device)?;
    let pid = process::running(device, root)?;
    let port = forward::existing(device)?;
    let readiness = port.map_or(Readiness::Silent, ready::ask);
    Ok(vec![
        ("model", known(facts.model)),
        ("android", known(facts.android)),
        ("abi", known(facts.abi)),
        ("kernel", known(facts.kernel)),
        ("root", root.map_or("no", Root::describe).to_owned()),
        ("tracer", tracer(device, root, pid, &readiness)?),
        (
            "address",
            port.map_or("none".to_owned(), |port| {
                format!("http://127.0.0.1:{port}/metrics")
            }),
        ),
        (
            "ready",
            match readiness {
                Readiness::Ready => "yes".to_owned(),
                Readiness::Waiting(reason) => format!("no: {reason}"),
                Readiness::Silent => "no".to_owned(),
            },
        ),
    ])
}

fn known(value: String) -> String {
    if value.is_empty() {
        "unknown".to_owned()
    } else {
        value
    }
}

fn tracer(
    device: &Device,
    root: Option<Root>,
    pid: Option<u32>,
    readiness: &Readiness,
) -> Result<String> {
    if let Some(pid) = pid {
        let remark = if process::is_older(device, root)? {
            ", older than what was pushed (cargo xtask android start)"
        } else {
            ""
        };
        return Ok(format!("running, process {pid}{remark}"));
    }
    // Without root its process may be hidden.
    if *readiness != Readiness::Silent {
        return Ok("running".to_owned());
    }
    let binary = quote(&device.path("tracer"));
    let script = root
        .unwrap_or(Root::Shell)
        .script(&format!("[ -e {binary} ]"));
    let is_there = device.shell(&script)?.is_success();
    Ok(if is_there {
        "not running".to_owned()
    } else {
        "not on the device (cargo xtask android push)".to_owned()
    })
}
