//! How does tracer on a device end?

use anyhow::{Result, bail};

use super::device::{Device, quote};
use super::forward;
use super::process;
use super::root::Root;

/// Ends it, and takes the forward away that its start has made. False where it was not running.
pub fn stop(device: &Device) -> Result<bool> {
    let root = match Root::find(device)? {
        Some(root) => root,
        None if process::running(device, None)?.is_none() => return Ok(false),
        // It was started by a shell that was root's then.
        None => Root::gain(device)?,
    };
    let was_running = end(device, root)?;
    forward::take_back(device, root)?;
    Ok(was_running)
}

/// Ends it. False where it was not running.
pub fn end(device: &Device, root: Root) -> Result<bool> {
    let script = format!(
        "pid=$({find})
if [ -n \"$pid\" ]; then
kill -TERM \"$pid\"
turns=0
while [ $turns -lt 100 ] && [ -n \"$({find})\" ]; do sleep 0.1; turns=$((turns + 1)); done
[ -z \"$({find})\" ] || exit 9
echo \"$pid\"
fi
rm -f {file}",
        find = process::find(device),
        file = quote(&device.path("tracer.pid")),
    );
    let output = device.shell(&root.script(&script))?;
    match output.code {
        Some(0) => Ok(!output.stdout.trim().is_empty()),
        Some(9) => bail!(
            "tracer does not end\nhint: adb -s {} shell, and there as root: kill -9 $(cat {})",
            device.serial,
            device.path("tracer.pid")
        ),
        _ => bail!(
            "stop tracer: {}\nhint: may root write to {}?",
            output.summary(),
            device.folder
        ),
    }
}
