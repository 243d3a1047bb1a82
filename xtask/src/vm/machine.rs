//! How is a kernel started under emulation, and when is it given up?
//!
//! Emulation in software, always: it is there on every machine, and in a VM without one of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::archive::Archive;
use super::guest;
use super::kernels::Kernel;
use super::modules::Image;
use crate::architecture::Architecture;

/// The tests' tracer has tables of a few ten megabytes, and the file system with all programs is in memory too.
const MEMORY: &str = "2G";

/// Two programs that run at the same moment find what one after the other does not.
const PROCESSORS: u8 = 2;

/// How a machine's time passes.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As outside, with so many processors.
    Free(u8),
    /// A nanosecond with each instruction of the only processor; where it has nothing to do, at once.
    Counted,
}

impl Pace {
    pub const OF_TESTS: Self = Self::Free(PROCESSORS);
}

/// What goes into one machine.
pub struct Machine {
    pub kernel: &'static Kernel,
    pub image: Image,
    /// Archives of the programs and of the tests.
    pub archives: Vec<PathBuf>,
    /// What is run inside.
    pub script: String,
    /// Where the logs go.
    pub folder: PathBuf,
    pub pace: Pace,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    PoweredOff,
    TimeIsUp,
}

impl Machine {
    /// What the tests say.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.kernel.name))
    }

    /// What the kernel says.
    pub fn console(&self) -> PathBuf {
        self.folder
            .join(format!("{}.console.log", self.kernel.name))
    }

    /// Runs a script in it to its end, or until the time is up. What is said inside goes to the log, or straight to stdout.
    pub fn run(&self, script: &str, limit: Duration, is_shown: bool) -> Result<End> {
        let initrd = self.initrd(script)?;
        let console = self.console();
        let port = if is_shown {
            // Not qemu's `stdio`, which holds the guest up as soon as our input ends.
            "file,id=tests,path=/dev/fd/1,append=on".to_owned()
        } else {
            // Left by an earlier run, it would be taken for this one's where qemu does not start.
            let _ = fs::remove_file(self.log());
            format!("file,id=tests,path={}", self.log().display())
        };
        let console =
            File::create(&console).with_context(|| format!("write {}", console.display()))?;
        let mut command = qemu(self.kernel, self.pace);
        command
            .args(["-nic", "none"])
            .args(["-device", "virtio-serial-pci"])
            .args(["-device", "virtserialport,chardev=tests,name=tests"])
            .arg("-kernel")
            .arg(&self.image.kernel)
            .arg("-initrd")
            .arg(&initrd)
            .args(["-chardev", &port])
            .arg("-serial")
            .arg(format!("file:{}", self.console().display()))
            .stdin(Stdio::null())
            // qemu's own complaints lie with the kernel's.
            .stderr(console);
        let start = Instant::now();
        let mut qemu = Ended(command.spawn().context("start qemu")?);
        let end = loop {
            if let Some(status) = qemu.0.try_wait().context("wait for qemu")? {
                anyhow::ensure!(
                    status.success(),
                    "qemu ended with {status}, see {}",
                    self.console().display()
                );
                break End::PoweredOff;
            }
            if start.elapsed() > limit {
                break End::TimeIsUp;
            }
            sleep(Duration::from_millis(20));
        };
        drop(qemu);
        fs::remove_file(&initrd).with_context(|| format!("remove {}", initrd.display()))?;
        Ok(end)
    }

    /// All archives in one file, with a script.
    fn initrd(&self, script: &str) -> Result<PathBuf> {
        let file = self
            .folder
            .join(format!("{}.script.cpio", self.kernel.name));
        let mut archive = Archive::create(&file)?;
        archive.file(guest::RUN, script.as_bytes())?;
        archive.finish()?;
        let path = self.folder.join(format!("{}.initrd", self.kernel.name));
        let further = [&self.image.modules, &file];
        let parts: Vec<&PathBuf> = self.archives.iter().chain(further).collect();
        join(&parts, &path)?;
        fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
        Ok(path)
    }
}

/// One archive behind the other in one file, as the kernel takes them.
pub fn join(parts: &[&PathBuf], path: &Path) -> Result<()> {
    let mut whole = File::create(path).with_context(|| format!("write {}", path.display()))?;
    for part in parts {
        File::open(part)
            .and_then(|mut part| io::copy(&mut part, &mut whole))
            .with_context(|| format!("copy {}", part.display()))?;
    }
    Ok(())
}

/// The emulator of a kernel, with no devices.
pub fn qemu(kernel: &Kernel, pace: Pace) -> Command {
    let (program, console) = match kernel.architecture {
        Architecture::X86 => ("qemu-system-x86_64", "ttyS0"),
        Architecture::Arm => ("qemu-system-aarch64", "ttyAMA0"),
    };
    let mut command = Command::new(program);
    if kernel.architecture == Architecture::Arm {
        command.args(["-machine", "virt"]);
    }
    let (threads, processors) = match pace {
        Pace::Free(processors) => ("tcg,thread=multi", processors),
        Pace::Counted => {
            command.args(["-icount", "shift=0,sleep=off"]);
            ("tcg,thread=single", 1)
        }
    };
    command
        .args(["-accel", threads, "-cpu", kernel.processor])
        .args(["-smp", &processors.to_string(), "-m", MEMORY])
        .args(["-display", "none", "-monitor", "none", "-no-reboot"])
        .arg("-nodefaults")
        .arg("-append")
        // Mitigations make emulation slower and protect nobody here. A kernel that has found itself broken is to
        // stop at once: the next test would run into the time limit.
        .arg(format!(
            "console={console} quiet loglevel=5 panic=-1 oops=panic mitigations=off"
        ));
    command
}

/// A process that does not outlive its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
