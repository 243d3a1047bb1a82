//! How is tracer started on a device, and reached from here?

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::device::{Device, quote};
use super::facts::Facts;
use super::forward::{self, Wish};
use super::process;
use super::ready::{self, Readiness};
use super::root::Root;
use super::stop;

/// An emulated phone takes half a minute to load the kernel side.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether it answers.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked, while it does not answer, whether it has ended.
const LOOK_AT_PROCESS: Duration = Duration::from_secs(1);
/// A log may grow to this size, in bytes; at the next start it becomes `tracer.log.1`.
const LOG: u32 = 1_000_000;

pub struct Started {
    /// The port of this machine that leads to it.
    pub port: u16,
    /// What ran before.
    pub before: Before,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Nothing,
    /// The very same, and it still does.
    Running,
    /// What was there before the last push. It was stopped.
    Older,
}

impl Started {
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.port)
    }
}

/// Starts tracer with further `arguments` of `tracer run`, and returns when it is ready.
pub fn start(device: &Device, wish: Wish, arguments: &[String]) -> Result<Started> {
    Facts::of(device)?.check_kernel()?;
    let root = Root::gain(device)?;
    let before = match process::running(device, Some(root))? {
        None => Before::Nothing,
        Some(_) if process::is_older(device, Some(root))? => Before::Older,
        Some(_) => Before::Running,
    };
    if before != Before::Running {
        check_pushed(device, root)?;
    }
    // First what may fail while an older one goes on.
    let port = forward::forward(device, root, wish)?;
    let end = bring_up(device, root, port, before, arguments);
    let is_gone = || process::running(device, Some(root)).is_ok_and(|process| process.is_none());
    if end.is_err() && is_gone() {
        // Why it failed is worth more than why this does.
        let _ = forward::take_back(device, root);
    }
    end.map(|()| Started { port, before })
}

fn bring_up(
    device: &Device,
    root: Root,
    port: u16,
    before: Before,
    arguments: &[String],
) -> Result<()> {
    if before == Before::Older {
        stop::end(device, root)?;
        // At once: should the new one fail, none runs any more.
        eprintln!("{}: an older tracer ran, and was stopped", device.serial);
    }
    if before != Before::Running {
        launch(device, root, port, arguments)?;
    }
    wait(device, root, port)
}

fn check_pushed(device: &Device, root: Root) -> Result<()> {
    let script = format!("[ -x {} ]", quote(&device.path("tracer")));
    if !device.shell(&root.script(&script))?.is_success() {
        bail!("tracer is not on the device yet\nhint: cargo xtask android push");
    }
    Ok(())
}

fn launch(device: &Device, root: Root, port: u16, arguments: &[String]) -> Result<()> {
    // Ours could not serve beside it, and its answers would be taken for those of ours.
    if ready::ask(port) != Readiness::Silent {
        bail!(
            "port {} of the device is served already, and not by a tracer started from here\nhint: if a module has started one, use that or stop it; else take another --device-port",
            device.port
        );
    }
    let output = device.shell(&root.script(&script(device, arguments)))?;
    if !output.is_success() {
        bail!(
            "start tracer: {}\nhint: may root write to {}?",
            output.summary(),
            device.folder
        );
    }
    Ok(())
}

/// It gets a session of its own and none of the shell's files, so that it stays when the shell is gone. Its number is
/// written by the very process that becomes it. That one leaves the control groups it was born in: init kills all that is
/// in adbd's when it ends adbd, for which another USB mode is enough. Magisk's daemon leaves them in the same way.
fn script(device: &Device, arguments: &[String]) -> String {
    let mut words = vec!["--listen".to_owned(), format!("127.0.0.1:{}", device.port)];
    words.extend_from_slice(arguments);
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!(
        "umask 022
export folder={folder}
cd \"$folder\" || exit 1
rm -f tracer.pid tracer.pushed || exit 1
size=$(wc -c 2>/dev/null < tracer.log)
if [ \"${{size:-0}}\" -gt {LOG} ]; then mv -f tracer.log tracer.log.1; fi
echo \"{mark}, $(date)\" >> tracer.log || exit 1
setsid sh -c {inner} tracer {words} >> tracer.log 2>&1 < /dev/null &
turns=0
while [ ! -s tracer.pid ] && [ $turns -lt 50 ]; do sleep 0.1; turns=$((turns + 1)); done",
        folder = quote(&device.folder),
        mark = process::MARK,
        inner = quote(
            "for group in /acct /dev/cg2_bpf /sys/fs/cgroup; do
[ -w $group/cgroup.procs ] && echo $$ > $group/cgroup.procs
done 2>/dev/null
echo $$ > tracer.pid
exec \"$folder/tracer\" run \"$@\"",
        ),
        words = words.join(" "),
    )
}

fn wait(device: &Device, root: Root, port: u16) -> Result<()> {
    let start = Instant::now();
    let mut looked = start;
    loop {
        let readiness = ready::ask(port);
        if readiness == Readiness::Ready {
            return Ok(());
        }
        if looked == start || looked.elapsed() > LOOK_AT_PROCESS {
            looked = Instant::now();
            if process::running(device, Some(root))?.is_none() {
                bail!(
                    "tracer ended at once; it said:\n{}\nhint: all it said is shown by cargo xtask android logs",
                    process::last_words(device, root)?
                );
            }
        }
        if start.elapsed() > PATIENCE {
            let reason = match readiness {
                Readiness::Waiting(reason) => reason,
                _ => "nobody answers".to_owned(),
            };
            bail!(
                "tracer runs and is not ready after {} s: {reason}\nhint: what it says is shown by cargo xtask android logs; cargo xtask android stop ends it",
                PATIENCE.as_secs()
            );
        }
        thread::sleep(LOOK);
    }
}
