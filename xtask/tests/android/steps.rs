//! What the tests do with a phone, and what they expect to be told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::phone::{Computer, Phone, Said};
use crate::programs::Traits;
use crate::tracer;

/// A phone to which a tracer that serves was pushed.
pub fn pushed(traits: Traits) -> (Computer, Phone) {
    let computer = Computer::start();
    let phone = computer.connect(traits);
    tracer::that_serves(phone.folder());
    push(&computer, &phone);
    (computer, phone)
}

pub fn check(said: &Said, stdout: &str) {
    assert!(said.is_success, "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains(stdout),
        "{stdout:?} in {}",
        said.stdout
    );
}

pub fn push(computer: &Computer, phone: &Phone) {
    let binary = phone.folder().join("tracer");
    let binary = binary.display().to_string();
    let said = computer.android("push", phone, &["--binary", &binary]);
    check(&said, &format!("{} ", phone.serial));
}

/// The port in `SERIAL http://127.0.0.1:PORT/metrics`.
pub fn port(said: &Said, phone: &Phone) -> u16 {
    check(said, "/metrics");
    let line = said.stdout.trim();
    let address = line.strip_prefix(&*phone.serial).expect("the serial first");
    let rest = address
        .strip_prefix(" http://127.0.0.1:")
        .expect("an address");
    let port = rest.strip_suffix("/metrics").expect("of the metrics");
    port.parse().expect("a port")
}

pub fn scrape(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect through adb");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
        .expect("ask through adb");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read through adb");
    text
}
