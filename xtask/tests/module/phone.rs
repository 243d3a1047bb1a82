//! What does a script of the module see of a phone? A folder with a shell, tools, `getprop` and a tracer that does as told.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::program;

/// What scripts are run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// What Magisk, KernelSU and APatch bring.
    BusyBox,
    /// Android's own: mksh, with the tools of toybox.
    Android,
}

/// Runs a test in both shells.
pub fn in_both_shells(test: impl Fn(Phone)) {
    for shell in [Shell::BusyBox, Shell::Android] {
        eprintln!("in the shell: {shell:?}");
        test(Phone::new(shell));
    }
}

/// A behaviour of the tracer: it serves until it is told to end. A child that it waits for ends by itself: to end one that was
/// just started, or not yet, is a race.
pub const SERVE: &str = "while :; do sleep 0.05; done\n";

pub struct Phone {
    root: PathBuf,
}

impl Phone {
    pub fn new(shell: Shell) -> Self {
        static PHONES: AtomicU32 = AtomicU32::new(0);
        let number = PHONES.fetch_add(1, Ordering::Relaxed);
        let root = env::temp_dir().join(format!("tracer-phone-{}-{number}", process::id()));
        let phone = Self { root };
        for folder in ["bin", "module"] {
            fs::create_dir_all(phone.path(folder)).expect("create a folder");
        }
        phone.install_tools(shell);
        phone.write_program(
            "bin/getprop",
            "[ \"$1\" = sys.boot_completed ] && cat ROOT/boot",
        );
        // A hundred times faster than said; which is noted.
        phone.write_program(
            "bin/doze",
            "echo \"$1\" >>ROOT/naps\nexec sleep \"$(printf '0.%02d' \"$1\")\"",
        );
        phone.write_program(
            "module/tracer",
            "trap 'exit 0' TERM\necho \"$*\" >>ROOT/starts\n. ROOT/behaviour",
        );
        for entry in fs::read_dir(scripts()).expect("list the module") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name").to_string_lossy();
                phone.write(&format!("module/{name}"), &read(&path));
            }
        }
        phone.write("boot", "1\n");
        phone.write("behaviour", SERVE);
        phone
    }

    /// Links all names of the shell's tools, so that no other program of this machine is found.
    fn install_tools(&self, shell: Shell) {
        let (tools, list): (_, &[&str]) = match shell {
            Shell::BusyBox => (find("busybox"), &["--list"]),
            Shell::Android => (find("toybox"), &[]),
        };
        let output = Command::new(&tools).args(list).output();
        let output = output.expect("list the tools").stdout;
        let names = String::from_utf8(output).expect("names of tools");
        for name in names.split_whitespace().filter(|name| *name != "sh") {
            symlink(&tools, self.path("bin").join(name)).expect("link a tool");
        }
        if shell == Shell::BusyBox {
            // Debian's has none. Where BusyBox lacks a tool, the next on the PATH is Android's.
            symlink(find("toybox"), self.path("bin/flock")).expect("link a tool");
        }
        let shell = match shell {
            Shell::BusyBox => tools,
            Shell::Android => find("mksh"),
        };
        symlink(shell, self.path("bin/sh")).expect("link the shell");
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    pub fn write(&self, inside: &str, text: &str) {
        fs::write(self.path(inside), self.placed(text)).expect("write a file");
    }

    fn write_program(&self, inside: &str, text: &str) {
        let text = self.placed(&format!("#!ROOT/bin/sh\n{text}\n"));
        program::write(&self.path(inside), &text);
    }

    /// A text for a file of this phone.
    fn placed(&self, text: &str) -> String {
        text.replace("ROOT", &self.root.display().to_string())
    }

    /// Nothing where there is no such file.
    pub fn lines(&self, inside: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(inside)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often the tracer was started.
    pub fn starts(&self) -> usize {
        self.lines("starts").len()
    }

    /// How the description of the module begins, where it tells of a state.
    pub fn state(&self) -> Option<String> {
        let lines = self.lines("module/module.prop");
        let line = lines.iter().find(|line| line.starts_with("description="));
        let text = line.expect("a description").strip_prefix("description=[")?;
        text.split_once("] Counts")
            .map(|(state, _)| state.to_owned())
    }

    /// The shell of the phone, with nothing around it but the phone.
    pub fn sh(&self) -> Command {
        let mut command = Command::new(self.path("bin/sh"));
        command
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("TRACER_DATA", self.path("data"))
            .env("TRACER_SLEEP", "doze")
            .current_dir("/");
        command
    }

    /// Runs a script of the module to its end. Returns what it says.
    pub fn run(&self, script: &str) -> String {
        let mut sh = self.sh();
        let output = sh.arg(self.path("module").join(script)).output();
        let output = output.expect("start the shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && errors.is_empty(),
            "{script}: {errors}"
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "not in time: {what}\nlog: {:#?}\nprocesses: {:?}",
                self.lines("data/tracer.log"),
                self.processes()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that a script of this phone has started and that still runs.
    pub fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").expect("list the processes");
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|process| self.is_ours(*process))
            .collect()
    }

    /// A process is known by its environment.
    fn is_ours(&self, process: u32) -> bool {
        let mark = format!("TRACER_DATA={}\0", self.path("data").display());
        let around = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        around
            .windows(mark.len())
            .any(|window| window == mark.as_bytes())
    }

    /// The sessions of these processes: one for each supervisor.
    pub fn sessions(&self) -> BTreeSet<u32> {
        let session = |process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // Behind the name: state, parent, group, session.
            let (_, rest) = stat.rsplit_once(") ")?;
            rest.split(' ').nth(3)?.parse().ok()
        };
        self.processes().into_iter().filter_map(session).collect()
    }
}

impl Phone {
    /// Holds on to a process before it asks whose it is: its number may be another's by now.
    fn kill(&self, process: u32) {
        // SAFETY: pidfd_open takes two numbers and touches no memory.
        let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
        let Ok(opened @ 0..) = i32::try_from(opened) else {
            return;
        };
        // SAFETY: the descriptor is new, and nobody else's.
        let process_file = unsafe { OwnedFd::from_raw_fd(opened) };
        if self.is_ours(process) {
            let (file, nothing) = (
                process_file.as_raw_fd(),
                std::ptr::null::<libc::siginfo_t>(),
            );
            // SAFETY: the descriptor is open, and the kernel reads no siginfo where the pointer is null.
            unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, file, libc::SIGKILL, nothing, 0);
            }
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            for process in processes {
                self.kill(process);
            }
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

pub fn signal(process: u32, signal: i32) {
    // SAFETY: kill takes two numbers and touches no memory; the process is one that this test has started.
    unsafe { libc::kill(process as i32, signal) };
}

/// Where the module's files lie.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/android/module")
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn find(program: &str) -> PathBuf {
    let path = env::var_os("PATH").expect("a PATH");
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed\nhint: cargo xtask setup"))
}
