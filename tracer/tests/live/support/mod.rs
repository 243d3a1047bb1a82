//! What the live tests share: a running tracer, what it says, and namespaces to make traffic in.

pub mod group;
pub mod network;
pub mod truth;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Labels of one series, and its value.
pub type Series = (BTreeMap<String, String>, f64);

/// A tracer of its own, ended when the value goes.
pub struct Tracer {
    pub child: Child,
    pub address: SocketAddr,
    /// File of its standard error.
    pub said: PathBuf,
}

impl Tracer {
    /// Starts one with further arguments, and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        let address = free_address();
        let said = std::env::temp_dir().join(format!("tracer-{}.log", address.port()));
        // Not the test's own output: a tracer that outlives a failed test would keep it open.
        let log = fs::File::create(&said).expect("a file for what the tracer says");
        let child = Command::new(env!("CARGO_BIN_EXE_tracer"))
            .args(["run", "--listen", &address.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start the tracer");
        let mut tracer = Self {
            child,
            address,
            said,
        };
        let deadline = Instant::now() + patience(20);
        while !tracer.is_ready() {
            let said = || fs::read_to_string(&tracer.said).unwrap_or_default();
            if let Some(status) = tracer.child.try_wait().expect("ask for the tracer's state") {
                let said = said();
                panic!("the tracer ended with {status}; hint: live tests need root\n{said}");
            }
            assert!(
                Instant::now() < deadline,
                "the tracer did not get ready: {}",
                said()
            );
            sleep(Duration::from_millis(10));
        }
        tracer
    }

    fn is_ready(&self) -> bool {
        request(self.address, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What it says now.
    pub fn metrics(&self) -> Metrics {
        let answer = request(self.address, "/metrics").unwrap_or_default();
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            let said = fs::read_to_string(&self.said).unwrap_or_default();
            panic!("no answer to the scrape: {answer:?}\nthe tracer said: {said}");
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Metrics::parse(&unchunked(head, body))
    }

    /// Scrapes until `done` is true of what it says, for the state of sockets that the kernel ends in its own time.
    pub fn wait_for(&self, what: &str, mut done: impl FnMut(&Metrics) -> bool) -> Metrics {
        let deadline = Instant::now() + patience(30);
        loop {
            let metrics = self.metrics();
            if done(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "it did not come to: {what}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("the tracer's status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a resident size");
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .expect("a number")
            * 1024
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to a child that has not been waited for.
        let result = unsafe { libc::kill(self.child.id().cast_signed(), signal) };
        assert_eq!(result, 0);
    }

    /// Ends it as a user would, and returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        self.child.wait().expect("wait for the tracer").code()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.said);
    }
}

/// A scrape, parsed.
pub struct Metrics(BTreeMap<String, Vec<Series>>);

impl Metrics {
    pub fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (name, labels, value) = parse_line(line);
            all.entry(name).or_default().push((labels, value));
        }
        Self(all)
    }

    /// Series of a family with these labels.
    pub fn series<'a>(
        &'a self,
        family: &str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Series> + 'a {
        self.0
            .get(family)
            .into_iter()
            .flatten()
            .filter(move |(found, _)| {
                labels
                    .iter()
                    .all(|(name, value)| found.get(*name).is_some_and(|found| found == value))
            })
    }

    /// Their sum. Counters are whole numbers, exact in a `f64` up to 2^53.
    pub fn sum(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        self.series(family, labels)
            .map(|(_, value)| *value as u64)
            .sum()
    }

    /// As [`Self::sum`], of contacts begun by this machine: without those of its own servers.
    pub fn begun(&self, family: &str, labels: &[(&str, &str)]) -> u64 {
        self.series(family, labels)
            .filter(|(found, _)| found["direction"] == "out")
            .map(|(_, value)| *value as u64)
            .sum()
    }

    /// Fails, and says what it was, where anything was lost.
    pub fn assert_nothing_lost(&self) {
        let lost: Vec<_> = self
            .series("tracer_lost_total", &[])
            .filter(|(_, count)| *count != 0.0)
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    }
}

fn parse_line(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let mut labels = BTreeMap::new();
    let name_end = line.find(['{', ' ']).expect("a name");
    let (name, mut rest) = line.split_at(name_end);
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label");
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next().expect("an ended value") {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next().expect("an escaped character").1 {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    (_, other) => value.push(other),
                }
            };
            labels.insert(label.trim_start_matches(',').to_owned(), value);
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    (
        name.to_owned(),
        labels,
        rest.trim().parse().expect("a value"),
    )
}

/// A GET without the comforts of a client: the whole answer.
pub fn request(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: tracer\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8(answer).ok()
}

/// The body of an answer that came in chunks.
pub fn unchunked(head: &str, body: &str) -> String {
    if !head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        return body.to_owned();
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        if size == 0 {
            break;
        }
        whole.push_str(&after[..size]);
        rest = after[size..]
            .strip_prefix("\r\n")
            .expect("the end of a chunk");
    }
    whole
}

/// Whether a test can run that needs structures which are not measured where the kernel does not tell of its types.
pub fn types_are_known() -> bool {
    let known = fs::exists("/sys/kernel/btf/vmlinux").expect("ask for a file");
    if !known {
        eprintln!("skipped: this kernel does not tell of its types");
    }
    known
}

/// Signals that nothing serves on this kernel, for want of kprobes or of SCTP.
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
    unserved
}

/// How long what does not come is waited for: so many seconds, or more where all is slower.
pub fn patience(seconds: u64) -> Duration {
    Duration::from_secs(if is_virtual() { seconds * 4 } else { seconds })
}

/// Whether this runs in an emulated machine, which is some thirty times slower.
pub fn is_virtual() -> bool {
    std::env::var_os("TRACER_VM").is_some()
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
        let path = std::env::temp_dir().join(format!("tracer-{name}-{}", std::process::id()));
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

/// Runs a command to its end, which must be good, and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("run a command");
    assert!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    String::from_utf8(output.stdout).expect("text")
}

/// `ip` with arguments in one string.
pub fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}

/// A network namespace that goes with the value.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        Self(name)
    }

    /// A command that runs in it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// The kernel's own count of connects: `Tcp: ActiveOpens`.
    pub fn active_opens(&self) -> u64 {
        let text =
            run(Command::new("ip").args(["netns", "exec", &self.0, "cat", "/proc/self/net/snmp"]));
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
        let at = names
            .split(' ')
            .position(|name| name == "ActiveOpens")
            .expect("the counter");
        values
            .split(' ')
            .nth(at)
            .and_then(|value| value.parse().ok())
            .expect("a number")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// A server or holder of the generator: a child that says a line when it is ready and ends when its input does.
pub struct Helper {
    pub child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Helper {
    /// Starts it and waits for its first line, which must be `ready`.
    pub fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("start a helper");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut helper = Self { child, lines };
        assert_eq!(helper.line(), ready);
        helper
    }

    /// Its next line.
    pub fn line(&mut self) -> String {
        self.lines.next().expect("one more line").expect("text")
    }

    /// Says a line to it.
    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("its input"), "{line}").expect("say a line");
    }

    /// Closes its input, and returns the lines it still prints.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let rest = self
            .lines
            .by_ref()
            .map(|line| line.expect("text"))
            .collect();
        let status = self.child.wait().expect("wait for a helper");
        assert!(status.success(), "a helper ended with {status}");
        rest
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
