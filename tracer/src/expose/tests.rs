//! The endpoints, asked over a real connection.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    runtime,
    sync::{mpsc, oneshot, watch},
};

use super::{
    http::{Readiness, Request, Source, router},
    serve::serve,
};
use crate::model::{Contact, ContactList, Destination, Direction, Protocol, Row, Snapshot, Totals};

struct Server {
    address: SocketAddr,
    ready: watch::Sender<Readiness>,
    /// Snapshots that were asked for.
    readings: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A server on a thread of its own. Without an owner nobody answers its requests for a snapshot.
fn server(owner: bool, rows: u16) -> Server {
    let (ready, readiness) = watch::channel(Err("no hook is attached".to_owned()));
    let (stop, stopped) = oneshot::channel();
    let readings = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&readings);
    let (bound, address) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            bound
                .send(listener.local_addr().expect("an address"))
                .expect("the test waits");
            let (requests, mut asked) = mpsc::channel::<Request>(1);
            if owner {
                let snapshot = snapshot(rows);
                tokio::spawn(async move {
                    while let Some(Request { reply, .. }) = asked.recv().await {
                        counted.fetch_add(1, Relaxed);
                        // A client that left meanwhile misses nothing.
                        let _ = reply.send(Arc::clone(&snapshot));
                    }
                });
            } else {
                drop(asked);
            }
            let stopped = async { stopped.await.unwrap_or_default() };
            serve(
                vec![listener],
                router(Source {
                    requests,
                    ready: readiness,
                }),
                stopped,
            )
            .await;
        });
    });
    let address = address.recv().expect("a listener");
    Server {
        address,
        ready,
        readings,
        stop: Some(stop),
        thread: Some(thread),
    }
}

fn snapshot(rows: u16) -> Arc<Snapshot> {
    let totals = Totals {
        connections: 1,
        ..Totals::default()
    };
    let row = |port| Row {
        identity: 0,
        destination: Destination::Address {
            address: [192, 0, 2, 1].into(),
            port,
        },
        company: "",
        country: crate::model::Country::default(),
        direction: Direction::Out,
        protocol: Protocol::Tcp,
        sums: (&totals).into(),
        open: 0,
    };
    let contact = |id| Contact::new(id, Direction::Out, Protocol::Tcp);
    Arc::new(Snapshot {
        rows: vec![Arc::new((0..rows).map(row).collect())],
        contacts: ContactList {
            live: (0..rows.into()).map(contact).collect(),
            ..ContactList::default()
        },
        ..Snapshot::default()
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            assert!(
                thread.join().is_ok() || thread::panicking(),
                "the server panicked"
            );
        }
    }
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Server {
    fn connect(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: tracer\r\nConnection: close\r\n{headers}\r\n"
        );
        let mut all = Vec::new();
        self.connect(&request)
            .read_to_end(&mut all)
            .expect("an answer");
        let end = all
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let head = String::from_utf8(all[..end].to_vec())
            .expect("UTF-8")
            .to_lowercase();
        let chunked = head.contains("\r\ntransfer-encoding: chunked\r\n") && method != "HEAD";
        let body = if chunked {
            joined(&all[end..])
        } else {
            all[end..].to_vec()
        };
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        Reply { status, head, body }
    }
}

/// The content of a chunked body, whose last chunk must be there.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("a length");
        let length = str::from_utf8(&rest[..end]).expect("UTF-8");
        let length = usize::from_str_radix(length, 16).expect("a hexadecimal number");
        rest = &rest[end + 2..];
        body.extend_from_slice(&rest[..length]);
        assert_eq!(&rest[length..length + 2], b"\r\n", "a chunk does not end");
        rest = &rest[length + 2..];
        if length == 0 {
            return body;
        }
    }
}

/// The body without the tracer's own metrics, which differ from scrape to scrape.
fn steady(body: Vec<u8>) -> Vec<String> {
    let own = |line: &&str| !line.starts_with("process_") && !line.starts_with("tracer_scrape");
    String::from_utf8(body)
        .expect("UTF-8")
        .lines()
        .filter(own)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_format_is_the_one_that_was_asked_for() {
    let server = server(true, 3);
    let plain = server.ask("GET", "/metrics", "");
    assert_eq!(plain.status, 200);
    assert!(
        plain
            .head
            .contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{}",
        plain.head
    );
    assert!(
        plain.head.contains("\r\nvary: accept, accept-encoding\r\n"),
        "{}",
        plain.head
    );
    assert!(!plain.body.ends_with(b"# EOF\n"));

    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    let open = server.ask("GET", "/metrics", accept);
    let expected =
        "\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(open.head.contains(expected), "{}", open.head);
    assert!(open.body.ends_with(b"# EOF\n"));
}

#[test]
fn a_compressed_answer_holds_the_same_text() {
    let server = server(true, 10_000);
    let plain = server.ask("GET", "/metrics", "");
    let packed = server.ask("GET", "/metrics", "Accept-Encoding: gzip\r\n");
    assert!(
        packed.head.contains("\r\ncontent-encoding: gzip\r\n"),
        "{}",
        packed.head
    );
    assert!(packed.body.len() < plain.body.len() / 5);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*packed.body)
        .read_to_end(&mut unpacked)
        .expect("gzip");
    assert_eq!(steady(unpacked), steady(plain.body));

    let refused = server.ask("GET", "/metrics", "Accept-Encoding: gzip;q=0\r\n");
    assert!(
        !refused.head.contains("content-encoding"),
        "{}",
        refused.head
    );
}

#[test]
fn head_has_no_body() {
    let head = server(true, 3).ask("HEAD", "/metrics", "");
    assert_eq!(head.status, 200);
    assert!(
        head.head
            .contains("\r\ncontent-type: text/plain; version=0.0.4"),
        "{}",
        head.head
    );
    assert!(head.body.is_empty());
}

#[test]
fn contacts_are_json_and_head_tells_their_length() {
    let server = server(true, 3);
    let path = "/api/v1/contacts?limit=2";
    let page = server.ask("GET", path, "");
    assert_eq!(page.status, 200);
    for field in ["content-type: application/json", "cache-control: no-store"] {
        let field = format!("\r\n{field}\r\n");
        assert!(page.head.contains(&field), "{}", page.head);
    }
    let json: serde_json::Value = serde_json::from_slice(&page.body).expect("JSON");
    assert_eq!(json["contacts"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["next"], "-1");

    let head = server.ask("HEAD", path, "");
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    let length = format!("\r\ncontent-length: {}\r\n", page.body.len());
    assert!(head.head.contains(&length), "{}", head.head);
    assert!(page.head.contains(&length), "{}", page.head);
}

#[test]
fn a_query_for_contacts_that_means_nothing_is_refused() {
    let reply = server(true, 3).ask("GET", "/api/v1/contacts?limit=all", "");
    assert_eq!(reply.status, 400);
    let expected =
        "{\"error\":\"limit is \\\"all\\\"\",\"hint\":\"a whole number from 1 to 1000\"}\n";
    assert_eq!(String::from_utf8_lossy(&reply.body), expected);
}

#[test]
fn head_says_the_length_that_get_would_say() {
    let length = |reply: &Reply| {
        let line = reply
            .head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        line.map(str::to_owned)
    };
    let server = server(true, 3);
    for (path, headers) in [
        ("/metrics", ""),
        ("/metrics", "Accept-Encoding: gzip\r\n"),
        ("/", ""),
        ("/healthz", ""),
        ("/readyz", ""),
    ] {
        let [head, get] = ["HEAD", "GET"].map(|method| server.ask(method, path, headers));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(length(&head), length(&get), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
    // Its answer is streamed: nobody knows how long it will be.
    assert_eq!(length(&server.ask("HEAD", "/metrics", "")), None);
}

#[test]
fn only_known_paths_are_answered_and_only_to_readers() {
    let server = server(true, 3);
    assert_eq!(server.ask("GET", "/metrics/", "").status, 404);
    for path in ["/", "/metrics", "/api/v1/contacts", "/healthz", "/readyz"] {
        assert_eq!(
            server.ask("POST", path, "Content-Length: 0\r\n").status,
            405,
            "{path}"
        );
        assert_eq!(server.ask("DELETE", path, "").status, 405, "{path}");
    }
    let index = server.ask("GET", "/", "");
    assert!(
        index.head.contains("\r\ncontent-type: text/html"),
        "{}",
        index.head
    );
    for text in [
        env!("CARGO_PKG_VERSION"),
        "href=\"/metrics\"",
        "href=\"/api/v1/contacts\"",
        "href=\"/healthz\"",
        "href=\"/readyz\"",
    ] {
        assert!(
            index
                .body
                .windows(text.len())
                .any(|part| part == text.as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn it_is_ready_once_hooks_are_attached() {
    let server = server(true, 3);
    assert_eq!(server.ask("GET", "/healthz", "").status, 200);
    let waiting = server.ask("GET", "/readyz", "");
    assert_eq!(
        (waiting.status, &*waiting.body),
        (503, &b"no hook is attached\n"[..])
    );
    server.ready.send(Ok(())).expect("the server lives");
    assert_eq!(server.ask("GET", "/readyz", "").status, 200);
}

#[test]
fn without_an_owner_there_is_nothing_to_tell() {
    let server = server(false, 3);
    server.ready.send(Ok(())).expect("the server lives");
    assert_eq!(server.ask("GET", "/metrics", "").status, 503);
    assert_eq!(server.ask("HEAD", "/metrics", "").status, 503);
    let contacts = server.ask("GET", "/api/v1/contacts", "");
    assert_eq!(
        (contacts.status, &*contacts.body),
        (503, &b"{\"error\":\"tracing has ended\"}\n"[..])
    );
    assert_eq!(server.ask("GET", "/readyz", "").status, 503);
    assert_eq!(server.ask("GET", "/healthz", "").status, 200);
}

#[test]
fn a_client_that_reads_nothing_delays_neither_others_nor_the_end() {
    let server = server(true, 20_000);
    let request = "GET /metrics HTTP/1.1\r\nHost: tracer\r\n\r\n";
    let mut slow: Vec<_> = (0..4).map(|_| server.connect(request)).collect();
    for stream in &mut slow {
        // Its answer has begun.
        stream.read_exact(&mut [0; 8]).expect("an answer");
    }
    assert_eq!(server.ask("GET", "/metrics", "").status, 200);
    let began = Instant::now();
    drop(server);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "stopping took {:?}",
        began.elapsed()
    );
}

#[test]
fn silent_clients_do_not_keep_another_one_out_however_many_they_are() {
    let server = server(true, 3);
    let half = "GET /metrics HTTP/1.1\r\nHost:";
    let silent: Vec<_> = (0..80)
        .map(|number| server.connect(if number % 2 == 0 { "" } else { half }))
        .collect();
    let began = Instant::now();
    assert_eq!(server.ask("GET", "/metrics", "").status, 200);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "the answer took {:?}",
        began.elapsed()
    );
    let mut first = silent.into_iter().next().expect("the one that was first");
    let end = first.read(&mut [0; 8]);
    let is_over = match &end {
        Ok(read) => *read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    assert!(is_over, "who came first is still there: {end:?}");
}

#[test]
fn who_waits_for_an_answer_is_not_sent_away_by_silent_clients() {
    let server = server(true, 20_000);
    let mut reader =
        server.connect("GET /metrics HTTP/1.1\r\nHost: tracer\r\nConnection: close\r\n\r\n");
    reader.read_exact(&mut [0; 8]).expect("an answer");
    let silent: Vec<_> = (0..80).map(|_| server.connect("")).collect();
    assert_eq!(server.ask("GET", "/healthz", "").status, 200);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("the whole answer");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the answer was cut off");
    drop(silent);
}

#[test]
fn scrapes_that_wait_for_their_turn_share_a_reading() {
    let server = server(true, 20_000);
    let request = "GET /metrics HTTP/1.1\r\nHost: tracer\r\n\r\n";
    // As many as are answered at once. They read nothing, so nobody else has a turn.
    let mut slow: Vec<_> = (0..8).map(|_| server.connect(request)).collect();
    for stream in &mut slow {
        stream.read_exact(&mut [0; 8]).expect("an answer");
    }
    let before = server.readings.load(Relaxed);
    let mut waiting: Vec<_> = (0..30).map(|_| server.connect(request)).collect();
    assert_eq!(server.ask("GET", "/healthz", "").status, 200);
    drop(slow);
    for stream in &mut waiting {
        stream.read_exact(&mut [0; 12]).expect("an answer");
        stream.shutdown(Shutdown::Both).expect("it is connected");
    }
    let readings = server.readings.load(Relaxed) - before;
    // Those that get a turn together may ask for one each; the ones behind them need none.
    assert!(readings <= 15, "{readings} readings for thirty");
}
