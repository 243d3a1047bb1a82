//! What netd answers over `/dev/socket/dnsproxyd`, and how an app without Android's C library asks there.
//!
//! A name has its address in it: `api.198-18-0-1.example`, `api.2001-db8--1.example`. Nobody knows those below `missing.example`. For one
//! that begins with `private.` the resolver asks its own server over TLS first, as with Private DNS. One that begins with `late.` it tells
//! when whoever asked has gone.

#[path = "../../src/name/dns/made.rs"]
#[allow(dead_code, reason = "tests take the rest")]
mod dns;
#[path = "../../src/name/proxy/made.rs"]
mod made;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::contact;
use crate::line::{Contacts, How, Kind, Visit};

/// Where the resolver asks, and as whom: `AID_DNS` (android_filesystem_config.h).
const PRIVATE: &str = "198.19.9.9:853";
const AID_DNS: u32 = 1051;

/// How long either waits for the other.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file that is there once the resolver has told what nobody waited for.
const TOLD: &str = "/dev/socket/told";

/// Answers, on a thread, until the process ends.
pub fn serve() -> Result<()> {
    let _ = fs::remove_file(made::SOCKET);
    let listener = UnixListener::bind(made::SOCKET).context("bind the resolver's socket")?;
    // Whoever may use the network may ask.
    fs::set_permissions(made::SOCKET, Permissions::from_mode(0o666))
        .context("open the resolver's socket to apps")?;
    let serve = move || {
        for stream in listener.incoming().flatten() {
            // A caller that goes away is its own affair.
            thread::spawn(move || answer(stream));
        }
    };
    let builder = thread::Builder::new().name("DnsProxyListene".to_owned());
    builder.spawn(serve).context("start a thread")?;
    Ok(())
}

fn answer(mut stream: UnixStream) -> Result<()> {
    let mut command = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != 0 {
        command.push(byte[0]);
    }
    let command = String::from_utf8(command)?;
    let words: Vec<&str> = command.split(' ').collect();
    let writes = match words[..] {
        ["getaddrinfo", name, ..] => match address(name)? {
            None => made::failed(),
            Some(address) => made::list(&[address, address]),
        },
        ["gethostbyname", _, name, _] => match address(name)? {
            None => made::failed(),
            Some(address) => made::entry(name, &[address]),
        },
        ["resnsend", _, _, query] => made::message(&message(&STANDARD.decode(query)?)?),
        _ => bail!("not understood"),
    };
    let is_late = words.iter().any(|word| word.starts_with("late."));
    if is_late {
        await_end(&stream)?;
    }
    let told = writes.iter().try_for_each(|bytes| stream.write_all(bytes));
    if is_late {
        fs::write(TOLD, "").context("say that it was told")?;
    }
    Ok(told?)
}

/// Waits until the other end is closed.
fn await_end(stream: &UnixStream) -> Result<()> {
    let mut end = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: the kernel reads and writes the one entry.
    let ready = unsafe { libc::poll(&raw mut end, 1, PATIENCE.as_millis() as libc::c_int) };
    ensure!(ready == 1, "whoever asked still waits");
    Ok(())
}

/// The answer to a question for an address.
fn message(query: &[u8]) -> Result<Vec<u8>> {
    let (mut name, mut at) = (String::new(), 12);
    while let Some(length) = query.get(at).filter(|length| **length != 0) {
        let label = query.get(at + 1..at + 1 + usize::from(*length));
        name += str::from_utf8(label.context("half a name")?)?;
        name.push('.');
        at += 1 + usize::from(*length);
    }
    let record = |address| match address {
        IpAddr::V4(ip) => dns::record(dns::QUESTION, dns::A, 60, &ip.octets()),
        IpAddr::V6(ip) => dns::record(dns::QUESTION, dns::AAAA, 60, &ip.octets()),
    };
    let address = address(name.trim_end_matches('.'))?;
    let kind = kind(address);
    let records: Vec<_> = address.map(record).into_iter().collect();
    Ok(dns::Made::answer(7, name.trim_end_matches('.'), kind, &records).bytes())
}

fn kind(address: Option<IpAddr>) -> u16 {
    match address {
        Some(IpAddr::V6(_)) => dns::AAAA,
        _ => dns::A,
    }
}

/// The address in a name.
fn address(name: &str) -> Result<Option<IpAddr>> {
    let mut labels = name.split('.');
    if labels.clone().next() == Some("private") {
        let contacts = Contacts {
            kind: Kind::Native,
            to: PRIVATE.parse()?,
            times: 1,
            sent: 60,
            received: 120,
        };
        contact::make(&contacts, &mut |socket| Ok(contact::give(socket, AID_DNS)?))?;
    }
    let label = labels.nth_back(1).context("no address in it")?;
    let (four, six) = (label.replace('-', "."), label.replace('-', ":"));
    Ok(four.parse().or_else(|_| six.parse()).ok())
}

/// Asks for a name, as long as it takes; its address is known.
pub fn ask(visit: &Visit) -> Result<()> {
    let name = &visit.name;
    let to: SocketAddr = visit.contacts.to;
    let command = match visit.how {
        How::Literal => return Ok(()),
        How::List | How::Left => format!("getaddrinfo {name} {} 1024 0 1 6 100", to.port()),
        How::Host => format!(
            "gethostbyname 100 {name} {}",
            if to.is_ipv4() { 2 } else { 10 }
        ),
        How::Dns => {
            let query = dns::Made::query(7, name, kind(Some(to.ip()))).bytes();
            format!("resnsend 100 0 {}", STANDARD.encode(query))
        }
    };
    let mut stream = UnixStream::connect(made::SOCKET).context("connect to the resolver")?;
    stream.write_all(&[command.as_bytes(), &[0]].concat())?;
    stream.shutdown(Shutdown::Write)?;
    if visit.how == How::Left {
        drop(stream);
        let start = Instant::now();
        while !fs::exists(TOLD)? {
            ensure!(start.elapsed() < PATIENCE, "the resolver is silent");
            thread::sleep(Duration::from_millis(10));
        }
        return Ok(());
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(!answer.is_empty(), "the resolver says nothing");
    Ok(())
}
