//! A server of HTTP that does what a test wants, right or wrong, and counts what it did; and a proxy.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Method and target, as in `GET /x`.
    pub line: String,
    pub headers: BTreeMap<String, String>,
    /// Bytes of the body that were written in answer.
    pub sent: usize,
}

impl Request {
    pub fn path(&self) -> &str {
        self.line.split_once(' ').expect("a method and a target").1
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is answered.
pub struct Reply {
    /// Status and headers, without those of the connection.
    pub head: String,
    pub body: Vec<u8>,
    /// Say nothing more, and stay.
    pub hold: bool,
}

pub fn reply(head: &str, body: &[u8]) -> Reply {
    Reply {
        head: head.to_owned(),
        body: body.to_vec(),
        hold: false,
    }
}

/// An answer with its length.
pub fn ok(body: &[u8], further: &str) -> Reply {
    reply(
        &format!("200 OK\r\nContent-Length: {}{further}", body.len()),
        body,
    )
}

pub fn not_found() -> Reply {
    ok(b"nothing here", "").status("404 Not Found")
}

impl Reply {
    pub fn status(mut self, status: &str) -> Self {
        self.head = self.head.replacen("200 OK", status, 1);
        self
    }

    /// Only so many bytes of the body; the head stays.
    pub fn cut(mut self, after: usize) -> Self {
        self.body.truncate(after);
        self
    }

    pub fn hold(mut self) -> Self {
        self.hold = true;
        self
    }
}

/// A file as a good server gives it: whole, the rest of it, or that it has not changed.
pub fn file(request: &Request, bytes: &[u8], etag: &str) -> Reply {
    let named = format!("\r\nETag: {etag}");
    if request.header("if-none-match") == Some(etag) {
        return reply(&format!("304 Not Modified{named}"), b"");
    }
    let same = request.header("if-range") == Some(etag);
    match request.header("range").filter(|_| same).map(|range| {
        let range = range.strip_prefix("bytes=").expect("bytes");
        range.strip_suffix('-').expect("an open range").parse()
    }) {
        Some(first) => rest(bytes, first.expect("a number"), etag),
        None => ok(bytes, &named),
    }
}

/// The rest of a file.
pub fn rest(bytes: &[u8], first: usize, etag: &str) -> Reply {
    let (last, total) = (bytes.len() - 1, bytes.len());
    let range = format!("\r\nETag: {etag}\r\nContent-Range: bytes {first}-{last}/{total}");
    ok(&bytes[first..], &range).status("206 Partial Content")
}

/// The server, for as long as the test program runs.
pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), log.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log) = (answer.clone(), kept.clone());
                thread::spawn(move || {
                    serve(&stream.expect("a client"), &*answer, &log);
                });
            }
        });
        Self { port, log }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that was asked for since the last call.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many that are.
    pub fn count(&self) -> u64 {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len() as u64
    }

    /// The same, in one line each.
    pub fn lines(&self) -> Vec<String> {
        self.take()
            .into_iter()
            .map(|request| request.line)
            .collect()
    }
}

fn head(reader: &mut impl io::BufRead) -> Request {
    let mut lines = reader.lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let line = first.strip_suffix(" HTTP/1.1").unwrap_or(&first).to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_ascii_lowercase(), value.to_owned())
    });
    Request {
        line,
        headers: headers.collect(),
        sent: 0,
    }
}

fn serve(mut stream: &TcpStream, answer: &dyn Fn(&Request) -> Reply, log: &Mutex<Vec<Request>>) {
    let mut request = head(&mut BufReader::new(stream));
    let reply = answer(&request);
    request.sent = reply.body.len();
    // Logged before the client can be done with it.
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", reply.head);
    // Who asked may be gone, or refuse the rest.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&reply.body);
    if reply.hold {
        let _ = stream.read(&mut [0]);
    }
    let _ = stream.shutdown(Shutdown::Write);
    // Closed with bytes unread, the kernel would take back what the client has not read.
    let _ = io::copy(&mut stream, &mut io::sink());
}

/// A proxy for CONNECT, which leads every name to one port of this machine.
pub fn proxy(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    leading(to, |client| {
        let mut reader = BufReader::new(client.try_clone().expect("a second handle"));
        let request = head(&mut reader);
        { client }
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            .expect("the client");
        request.line
    })
}

/// A proxy of SOCKS 5 (RFC 1928), which does the same.
pub fn socks(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    leading(to, |client| {
        let take = |count: usize| {
            let mut bytes = vec![0; count];
            { client }.read_exact(&mut bytes).expect("the client");
            bytes
        };
        let methods = take(2)[1];
        take(methods.into());
        { client }.write_all(&[5, 0]).expect("the client");
        let kind = take(4)[3];
        let length = take(1)[0];
        assert_eq!(kind, 3, "it is asked for a name");
        let name = String::from_utf8(take(length.into())).expect("a name");
        let port = u16::from_be_bytes(take(2).try_into().expect("two bytes"));
        { client }
            .write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])
            .expect("the client");
        format!("SOCKS {name}:{port}")
    })
}

/// Notes what `greet` says of each client, and leads it to a port.
fn leading(
    to: u16,
    greet: impl Fn(&TcpStream) -> String + Send + 'static,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = log.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a client");
            let asked = greet(&client);
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(asked);
            let server = TcpStream::connect(("127.0.0.1", to)).expect("the server");
            let ways = [
                (client.try_clone(), server.try_clone()),
                (Ok(server), Ok(client)),
            ];
            for (from, to) in ways {
                let (mut from, mut to) = (from.expect("a handle"), to.expect("a handle"));
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (port, log)
}
