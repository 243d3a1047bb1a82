//! Which servers has the demo's internet? Real ones: unbound, OpenSSL's and ngtcp2's.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::child;
use super::place::{NAME_SERVER, Place};
use super::stage::{self, VISITS};
use crate::bench::process::Guarded;
use crate::ebpf;

/// Answers from what it was told, for nobody else, and notes each question and each answer with its size.
const UNBOUND: &str = r#"
server:
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  verbosity: 1
  log-queries: yes
  log-replies: yes
  do-ip6: no
  access-control: 0.0.0.0/0 allow
  module-config: "iterator"
  local-zone: "." static
"#;

/// The certificate of all hosts, which the clients trust.
pub const CERTIFICATE: &str = "certificate.pem";
/// What the name server says.
pub const UNBOUND_LOG: &str = "unbound.log";

/// Starts all, and waits until they answer. They end with what is returned.
pub fn start(place: &Place) -> Result<Vec<Guarded>> {
    certify(place)?;
    let pages = place.folder.path("pages");
    fs::create_dir(&pages).context("make a folder")?;
    for visits in VISITS {
        let name = format!("pages/{}", visits.received);
        place.folder.write(&name, vec![b'x'; visits.received])?;
    }
    let [key, certificate] = ["key.pem", CERTIFICATE].map(|name| place.folder.path(name));
    let mut tls = place.internet.command(false, "openssl");
    tls.args(["s_server", "-WWW", "-quiet", "-accept", "443", "-cert"]);
    tls.arg(&certificate).arg("-key").arg(&key);
    // Nothing but what a client is answered with: a probe for larger packets is answered too, at any time.
    let mut quic = place.internet.command(false, "gtlsserver");
    quic.args(["--quiet", "--no-pmtud", "--htdocs"]).arg(&pages);
    quic.args(["*", "443"]).arg(&key).arg(&certificate);
    let servers = vec![
        spawn(place, tls.current_dir(&pages), "openssl.log")?,
        spawn(place, &mut quic, "ngtcp2.log")?,
        spawn(place, &mut unbound(place)?, UNBOUND_LOG)?,
    ];
    child::wait("servers that listen", 20, || {
        let has = |protocol, port| place.internet.has_port(protocol, port);
        Ok(has("tcp", 443) && has("udp", 443) && has("udp", 53))
    })?;
    Ok(servers)
}

fn certify(place: &Place) -> Result<()> {
    let mut command = ebpf::clean_command("openssl");
    command.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(' '));
    command.args("-days 2 -subj /CN=demo.example -addext".split(' '));
    let hosts = stage::hosts();
    let names: Vec<String> = hosts
        .iter()
        .map(|(_, visits)| format!("DNS:{}", visits.host))
        .collect();
    command.arg(format!("subjectAltName={}", names.join(",")));
    command.arg("-keyout").arg(place.folder.path("key.pem"));
    command.arg("-out").arg(place.folder.path(CERTIFICATE));
    child::finish(&mut command, &place.folder.path("certify.log")).map(drop)
}

/// A copy of unbound: where programs are confined by their path (`AppArmor`), it may not read from this folder.
fn unbound(place: &Place) -> Result<Command> {
    let found = ebpf::find_program("unbound").context("unbound is missing")?;
    let program = place.folder.path("unbound");
    fs::copy(&found, &program).with_context(|| format!("copy {}", found.display()))?;
    let mut text = format!("{UNBOUND}  interface: {NAME_SERVER}\n");
    for (number, visits) in stage::hosts() {
        let address = stage::address(number, visits);
        let kind = if address.contains(':') { "AAAA" } else { "A" };
        let host = visits.host;
        let _ = writeln!(text, "  local-data: \"{host}. 60 {kind} {address}\"");
    }
    let configuration = place.folder.write("unbound.conf", text)?;
    let mut command = place.internet.command(false, program);
    command.args(["-dd", "-p", "-c"]).arg(configuration);
    Ok(command)
}

fn spawn(place: &Place, command: &mut Command, log: &str) -> Result<Guarded> {
    let path = place.folder.path(log);
    let file = fs::File::create(&path).with_context(|| path_of(&path))?;
    let errors = file.try_clone().context("one more descriptor")?;
    Guarded::start(command.stdin(Stdio::null()).stdout(file).stderr(errors))
}

fn path_of(path: &Path) -> String {
    format!("write {}", path.display())
}
