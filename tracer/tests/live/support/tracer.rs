//! A running tracer, and its answers.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Metrics, free_address, hidden::Hidden, is_virtual, patience};

/// The tracer that cargo built beside the tests, or one that is broken on purpose (`xtask/src/broken.rs`).
pub fn under_test() -> PathBuf {
    std::env::var_os("TRACER_UNDER_TEST")
        .map_or_else(|| env!("CARGO_BIN_EXE_tracer").into(), PathBuf::from)
}

/// A tracer of its own, ended when the value goes.
pub struct Tracer {
    pub child: Child,
    pub address: SocketAddr,
    /// File of its standard error.
    pub said: PathBuf,
    /// What the kernel hides from it; none where nothing can be known of that.
    pub hidden: Option<Hidden>,
}

impl Tracer {
    /// Starts one with further arguments, and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        let address = free_address();
        let said = std::env::temp_dir().join(format!("tracer-{}.log", address.port()));
        // Not the test's own output: a tracer that outlives a failed test would keep it open.
        let log = fs::File::create(&said).expect("a file for what the tracer says");
        // Emulated kernels hide nothing, and trip now and then where their code is changed, as watching does.
        let hidden = (!is_virtual()).then(Hidden::begin).and_then(Result::ok);
        let child = Command::new(under_test())
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
            hidden,
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
        let mut metrics = Metrics::parse(&unchunked(head, body));
        metrics.hidden = self.hidden.as_ref().map_or(Vec::new(), Hidden::changes);
        metrics
    }

    /// What it says once each contact has its name, or none. Those that are under way may be for longer than this waits.
    pub fn decided(&self) -> Metrics {
        self.wait_for("each contact is decided", |metrics| {
            metrics.sum("tracer_connections_undecided", &[]) == 0
        })
    }

    /// A page of `/api/v1/contacts`.
    pub fn contacts(&self, query: &str) -> serde_json::Value {
        let path = format!("/api/v1/contacts?{query}");
        let answer = request(self.address, &path).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        let page = body.and_then(|body| serde_json::from_str(body).ok());
        page.unwrap_or_else(|| panic!("no page of contacts: {answer:?}"))
    }

    /// Scrapes until `done` is true of what it says, for the state of sockets that the kernel ends in its own time.
    pub fn wait_for(&self, what: &str, done: impl FnMut(&Metrics) -> bool) -> Metrics {
        self.wait_seconds_for(30, what, done)
    }

    /// The same for so many seconds at most, or more where all is slower.
    pub fn wait_seconds_for(
        &self,
        seconds: u64,
        what: &str,
        mut done: impl FnMut(&Metrics) -> bool,
    ) -> Metrics {
        let deadline = Instant::now() + patience(seconds);
        // An emulated processor has enough to do with what is waited for.
        let pause = Duration::from_millis(if is_virtual() { 400 } else { 50 });
        loop {
            let metrics = self.metrics();
            if done(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "it did not come to: {what}");
            sleep(pause);
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
