//! Over TLS, with an authority of the test's own; and real servers as helpers.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::tables::{NEW, network, sum, table};
use super::world::{NETWORK, World, path};

/// A port that nobody has now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A program that ends with the test.
pub struct Helper(Child);

impl Helper {
    /// Starts a server, and waits until it listens.
    pub fn start(command: &mut Command, port: u16) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let helper = Self(command.spawn().expect("a server"));
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        helper
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with a certificate: of what is below its folder, and of one address that leads on to another.
const SCRIPT: &str = "
import http.server, ssl, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if not self.path.startswith('/plain/'):
            return super().do_GET()
        self.send_response(302)
        self.send_header('Location', 'http://127.0.0.1:1' + self.path)
        self.send_header('Content-Length', '0')
        self.end_headers()
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

/// An authority, and a certificate that it made for this machine.
fn certificates(world: &World) -> [String; 3] {
    let file = |name: &str| path(&world.folder.join(name));
    let [authority, authority_key, certificate, key] =
        ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"].map(file);
    let make = |line: &str, further: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).args(further);
        let output = command.output().expect("start openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "no certificate: {said}");
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    make(
        &format!("{new} -subj /CN=authority -addext basicConstraints=critical,CA:TRUE"),
        &["-out", &authority, "-keyout", &authority_key],
    );
    make(
        &format!(
            "{new} -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
        ),
        &[
            "-CA",
            &authority,
            "-CAkey",
            &authority_key,
            "-out",
            &certificate,
            "-keyout",
            &key,
        ],
    );
    [authority, certificate, key]
}

#[test]
fn a_server_is_believed_that_a_trusted_authority_speaks_for_and_no_other() {
    let world = World::with_old_tables();
    let before = world.files();
    let shelf = world.folder.join("shelf");
    fs::create_dir_all(&shelf).expect("a folder");
    let networks = table(network, NEW);
    fs::write(shelf.join(NETWORK), &networks).expect("a table");
    fs::write(shelf.join(format!("{NETWORK}.sha256")), sum(&networks)).expect("a sum");
    let [authority, certificate, key] = certificates(&world);
    let port = free_port();
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, &port.to_string(), &certificate, &key]);
    let _server = Helper::start(command.current_dir(&shelf), port);
    let at = |place: &str| format!("https://127.0.0.1:{port}/{place}");
    let update = |place: &str, further: &[&str]| {
        let from = at(place);
        world.update(&[&["--from", &from, "--only", "network"], further].concat())
    };
    let trusting = ["--ca-file", &*authority];

    let said = world.contacting(1, || update("", &[]));
    said.check(2, &["is not trusted", "hint: ", "--ca-file"]);
    update("", &["--ca-file", &key]).check(2, &["it has no certificate", "hint: "]);
    update("", &["--ca-file", "/nowhere"]).check(2, &["--ca-file /nowhere", "hint: "]);
    let said = world.contacting(1, || update("plain/", &trusting));
    said.check(2, &["leads to 127.0.0.1:1 without TLS: not followed"]);
    assert_eq!(world.files(), before);

    let said = world.contacting(2, || update("", &trusting));
    said.check(0, &["the SHA-256 published beside the table", "replaced"]);
    assert_eq!(world.files()[NETWORK], networks);
}
