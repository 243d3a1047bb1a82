//! What the live tests share: a running tracer, what it says, and namespaces to make traffic in.

pub mod bpf;
mod counter;
pub mod group;
pub mod hidden;
mod metrics;
pub mod mount;
mod namespace;
pub mod network;
mod process;
pub mod programs;
pub mod trace;
mod tracer;
pub mod truth;

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

pub use self::{
    metrics::Metrics,
    namespace::{Files, Namespace},
    process::{Helper, ip, run},
    tracer::{Tracer, request, unchunked, under_test},
};

/// Whether a test can run that needs structures which are not measured where the kernel does not tell of its types.
pub fn types_are_known() -> bool {
    let known = fs::exists("/sys/kernel/btf/vmlinux").expect("ask for a file");
    if !known {
        eprintln!("skipped: this kernel does not tell of its types");
    }
    known
}

/// Signals that nothing serves on this kernel, for want of kprobes, of SCTP, or of trampolines at functions of which the types are known.
pub fn unserved() -> BTreeSet<&'static str> {
    let is_there = |path: &str| fs::exists(path).expect("ask for a file");
    let probes = is_there("/sys/bus/event_source/devices/kprobe/type");
    let mut unserved = BTreeSet::new();
    if !probes {
        unserved.insert("frames_direct");
    }
    if !probes || !is_there("/proc/net/sctp") {
        unserved.insert("associations");
    }
    if probes && !(is_there("/sys/kernel/btf/vmlinux") && has_symbol("register_ftrace_direct")) {
        unserved.insert("datagram_returns");
    }
    unserved
}

/// Whether the kernel has a function of that name.
fn has_symbol(name: &str) -> bool {
    let symbols = fs::read_to_string("/proc/kallsyms").expect("the kernel's symbols");
    symbols
        .lines()
        .any(|line| line.split(' ').nth(2) == Some(name))
}

/// How long what does not come is waited for: so many seconds, or more where all is slower.
pub fn patience(seconds: u64) -> Duration {
    Duration::from_secs(if is_virtual() { seconds * 12 } else { seconds })
}

/// Whether this runs in an emulated machine, which is some thirty times slower.
pub fn is_virtual() -> bool {
    std::env::var_os("TRACER_VM").is_some()
}

/// So much in the short run of all tests, and so much in the long one (`cargo xtask test --long`), which says so.
pub fn by_scope<T>(short: T, long: T) -> T {
    if std::env::var_os("TRACER_LONG").is_some() {
        long
    } else {
        short
    }
}

/// So many, or a tenth on an emulated machine, which takes ten times as long for each.
pub fn scaled(times: u64) -> u64 {
    if is_virtual() {
        times.div_ceil(10)
    } else {
        times
    }
}

/// An address on loopback where nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

/// The workload generator, built by cargo beside the tests.
pub fn workload() -> PathBuf {
    example("workload")
}

/// A program that cargo builds beside the tests.
pub fn example(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_tracer"))
        .with_file_name("examples")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing; hint: cargo build -p tracer --examples",
        path.display()
    );
    path
}

/// A directory that goes with the value.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    /// A copy of the workload generator under another name: another app. The calls that go to it are its own.
    pub fn app(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        if !path.exists() {
            // A hard link would carry the directory entry of the original's name to no one: the name is the entry's.
            fs::copy(workload(), &path).expect("copy the generator");
        }
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
