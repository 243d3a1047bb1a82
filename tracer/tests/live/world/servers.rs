//! Which servers has the world? Each is a real one, as others run it; those in Python speak what takes no more than a few lines.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use super::place::Place;
use crate::support::{Helper, Namespace, patience, run};

/// The name server of the world: over UDP, TCP, TLS and HTTP. Of names outside of it there are none.
const UNBOUND: &str = r#"
  interface: 192.0.2.53@53
  interface: 192.0.2.54@53
  interface: 2001:db8:1::53@53
  interface: 192.0.2.53@853
  interface: 192.0.2.53@8443
  tls-port: 853
  https-port: 8443
  tls-service-key: "key.pem"
  tls-service-pem: "certificate.pem"
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  module-config: "iterator"
  local-zone: "." static
  local-zone: "example." transparent
auth-zone:
  name: "example"
  zonefile: "zone"
  for-upstream: yes
"#;

/// One on the client's own machine, as most have: it forwards, and tells addresses behind a NAT64 of names without IPv6.
const STUB: &str = r#"
  interface: 127.0.0.53@53
  module-config: "dns64 iterator"
  dns64-prefix: 64:ff9b::/96
forward-zone:
  name: "."
  forward-addr: 192.0.2.53
"#;

/// What keeps one from the files and the users of the machine.
const OWN: &str = r#"
server:
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 1
  do-daemonize: no
"#;

/// Ports of QUIC. The second one's server has a client prove its address first (Retry).
const QUIC: [(&str, &str); 2] = [("443", "--quiet"), ("4443", "--validate-addr")];

/// Python: the program itself, not what chooses among several, and where its library is.
pub fn python() -> (PathBuf, String) {
    let script = "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)";
    let said = run(Command::new("python3").args(["-c", script]));
    let (program, home) = said.trim().split_once('\n').expect("two lines");
    (program.into(), home.to_owned())
}

/// Makes the certificate of all servers, and starts them.
pub fn start(place: &Place) -> Vec<Helper> {
    let path = |name: &str| place.path(name);
    let [key, certificate, pair] = ["key.pem", "certificate.pem", "pair.pem"].map(path);
    let options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=world.example -addext";
    let mut command = Command::new("openssl");
    command
        .args(options.split(' '))
        .arg("subjectAltName=DNS:*.example");
    // It draws what it is doing on its standard error.
    let made = command
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    assert!(
        made.expect("start openssl").status.success(),
        "no certificate"
    );
    let both = [&key, &certificate].map(|path| fs::read(path).expect("what was made"));
    place.write("pair.pem", &both.concat());
    let (client, server) = (&place.client, &place.server);
    let mut servers = vec![
        unbound(place, server, "unbound.conf", UNBOUND),
        unbound(place, client, "stub.conf", STUB),
        script(place, server, "servers", &pair),
        script(place, server, "proxies", &pair),
        script(place, client, "cache", &path("nscd/socket")),
    ];
    for (port, further) in QUIC {
        let mut command = server.command(Path::new("sh"));
        // Who leaves early is an error to it, and that is what some cases are about.
        command.args(["-c", "exec gtlsserver --quiet \"$@\" 2> /dev/null", "sh"]);
        command.args([further, "*", port, &key, &certificate]);
        command.current_dir(&place.directory.0);
        servers.push(Helper::spawn(&mut command));
        wait_for_port(server, "udp", port);
    }
    let mut command = server.command(Path::new("openssl"));
    command.args([
        "s_server", "-quiet", "-www", "-accept", "4433", "-cert", &pair,
    ]);
    servers.push(Helper::spawn(&mut command));
    wait_for_port(server, "tcp", "4433");
    servers
}

fn unbound(place: &Place, namespace: &Namespace, name: &str, configuration: &str) -> Helper {
    let directory = format!("  directory: \"{}\"", place.directory.0.display());
    place.write(
        name,
        format!("{}{directory}{configuration}", OWN.trim_end()).as_bytes(),
    );
    // It says what it does on its standard error.
    let mut command = namespace.command(Path::new("sh"));
    command.args([
        "-c",
        "exec unbound -dd -p -c \"$0\" 2>&1",
        &place.path(name),
    ]);
    let mut unbound = Helper::spawn(&mut command);
    while !unbound.line().contains("start of service") {}
    unbound
}

/// One of those in `servers.py`.
fn script(place: &Place, namespace: &Namespace, name: &str, path: &str) -> Helper {
    let (program, home) = python();
    let mut command = namespace.command(&place.copy(&program, name));
    command
        .env("PYTHONHOME", home)
        .args([&place.path("servers.py"), name, path]);
    Helper::start(&mut command, "ready")
}

/// Waits for a server that does not say when it is ready.
fn wait_for_port(namespace: &Namespace, protocol: &str, port: &str) {
    let deadline = Instant::now() + patience(10);
    let tables = ["", "6"].map(|end| format!("/proc/net/{protocol}{end}"));
    let hexadecimal = format!(":{:04X} ", port.parse::<u16>().expect("a port"));
    while !run(namespace.command(Path::new("cat")).args(&tables)).contains(&hexadecimal) {
        assert!(
            Instant::now() < deadline,
            "nobody listens at port {port} of {protocol}"
        );
        sleep(Duration::from_millis(20));
    }
}
