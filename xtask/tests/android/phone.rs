//! Phones for the tests, and an adb server that knows no others.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, iter, process, thread};

use crate::find;
use crate::programs::{self, Traits};

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The computer that phones are connected to: an adb server with a port and a home of its own.
pub struct Computer {
    port: u16,
    home: PathBuf,
}

/// A phone, connected.
pub struct Phone {
    adbd: Child,
    folder: PathBuf,
    pub serial: String,
    /// Where its tracer serves: all phones of these tests share one machine.
    pub port: u16,
}

/// What `cargo xtask android` said.
pub struct Said {
    pub is_success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Computer {
    pub fn start() -> Self {
        let adb = find::program("adb");
        assert!(
            adb.is_some(),
            "there is no adb here\nhint: cargo xtask setup"
        );
        Self {
            port: free_port(),
            home: folder("computer"),
        }
    }

    /// A folder of its own; nothing is in it but what the test and adb put there.
    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn adb(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("adb");
        let output = self
            .surround(&mut command)
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        let output = output.expect("start adb");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Plugs a phone in.
    pub fn connect(&self, traits: Traits) -> Phone {
        let phone = Phone::start(traits);
        self.adb(&["connect", &phone.serial]);
        phone
    }

    /// Runs `cargo xtask android COMMAND` for a phone.
    pub fn android(&self, command: &str, phone: &Phone, further: &[&str]) -> Said {
        let port = phone.port.to_string();
        let folder = phone.tracer_folder();
        let folder = folder.display().to_string();
        let mut arguments = vec![command, "--serial", &phone.serial];
        arguments.extend(["--folder", &folder, "--device-port", &port]);
        arguments.extend(further);
        self.android_of_all(&arguments)
    }

    pub fn android_of_all(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = self
            .surround(&mut command)
            .arg("android")
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        let output = output.expect("start xtask");
        Said {
            is_success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Puts a script in front of adb: what it does not answer itself goes on to the real one.
    pub fn replace_adb(&self, text: &str) {
        let adb = find::program("adb").expect("adb");
        let text = format!("{text}\nexec {} \"$@\"", adb.display());
        programs::script(&self.home, "adb", &text);
    }

    pub fn surround<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        command
            .env("ANDROID_ADB_SERVER_PORT", self.port.to_string())
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home)
            .env("PATH", self.path())
            // Else the server looks for emulators of this machine.
            .env("ADB_LOCAL_TRANSPORT_MAX_PORT", "1")
            .env_remove("ANDROID_SERIAL")
    }

    /// What the test puts into its home comes first.
    fn path(&self) -> OsString {
        let others = env::var_os("PATH").unwrap_or_default();
        let all = iter::once(self.home.clone()).chain(env::split_paths(&others));
        env::join_paths(all).expect("a home without a colon")
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        self.adb(&["kill-server"]);
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Phone {
    fn start(traits: Traits) -> Self {
        let folder = folder("phone");
        let programs = folder.join("programs");
        let data = folder.join("data");
        for path in [&programs, &data] {
            fs::create_dir(path).expect("create a folder");
        }
        // Any user may be the one of the phone's shell.
        fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).expect("open a folder");
        programs::install(&programs, traits);
        let mut adbd = Command::new(find::adbd());
        if traits.has_init {
            adbd.arg("--control-group").arg(group(&folder));
        }
        let mut adbd = adbd
            .args(["--listen", "127.0.0.1:0", "--until-stdin-closes"])
            .args(["--profile", traits.profile, "--shell", "/bin/sh"])
            .arg("--environment")
            .arg(format!("PATH={}", programs.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start adbd");
        let mut lines = BufReader::new(adbd.stdout.take().expect("what adbd says")).lines();
        let mut next = || lines.next().expect("what adbd says").expect("a line");
        assert_eq!(next(), "ready");
        let serial = next();
        Self {
            adbd,
            folder,
            serial,
            port: free_port(),
        }
    }

    /// Where the test may leave what it pushes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where tracer is on the phone. A blank and a quote have tripped many a script.
    pub fn tracer_folder(&self) -> PathBuf {
        self.folder.join("data/it's tracer")
    }

    /// As if it had ended by itself, and who serves for it too.
    pub fn kill_tracer(&self) {
        let process = self.process().expect("the number of its process");
        let group = format!("-{process}");
        let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
        assert!(killed.is_ok_and(|status| status.success()), "kill {group}");
        let start = Instant::now();
        while !command_line(process).is_empty() {
            assert!(start.elapsed() < PATIENCE, "{process} does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process whose number the phone has noted.
    pub fn process(&self) -> Option<u32> {
        let text = fs::read_to_string(self.tracer_folder().join("tracer.pid")).ok()?;
        text.trim().parse().ok()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // A test that failed may have left one.
        let folder = self.folder.display().to_string();
        if let Some(process) = self.process()
            && command_line(process).contains(&folder)
        {
            let _ = Command::new("kill").arg(process.to_string()).status();
        }
        let _ = self.adbd.kill();
        let _ = self.adbd.wait();
        // Most phones have none.
        let _ = fs::remove_dir(group(&self.folder));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a process was started with. One that has ended has none, also while nobody has asked how it ended.
pub fn command_line(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default()
}

/// A phone's control group, named after its folder.
fn group(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default();
    Path::new("/sys/fs/cgroup").join(name)
}

fn folder(kind: &str) -> PathBuf {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("xtask-android-{kind}-{}-{number}", process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("create a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("open a folder");
    folder
}

/// A port that nobody takes before it is used: no other test gets it, and the kernel gives away only those from 32768 on.
pub fn free_port() -> u16 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    // Tests that run at the same time in another process begin elsewhere.
    let first = process::id().wrapping_mul(256);
    let next = || first.wrapping_add(LAST.fetch_add(1, Ordering::Relaxed)) % 20_000;
    iter::repeat_with(|| u16::try_from(10_000 + next()).expect("below 30000"))
        .take(20_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
