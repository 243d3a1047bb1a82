//! Does a tracer answer, and is it ready?

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A phone may be slow; nobody waits longer for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The answer is one line.
const LONGEST: u64 = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// It answers, and says why it is not.
    Waiting(String),
    /// Nobody answers.
    Silent,
}

/// Asks /readyz at a port of this machine.
pub fn ask(port: u16) -> Readiness {
    read(port).map_or(Readiness::Silent, |text| readiness(&text))
}

fn read(port: u16) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: xtask\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn readiness(answer: &str) -> Readiness {
    let mut words = answer.split_whitespace();
    let is_http = words
        .next()
        .is_some_and(|version| version.starts_with("HTTP/1."));
    // A forward whose other end is closed gives an end and no answer.
    let Some(status) = words.next().filter(|_| is_http) else {
        return Readiness::Silent;
    };
    if status == "200" {
        return Readiness::Ready;
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match body.trim() {
        "" => Readiness::Waiting(format!("it answers {status}")),
        reason => Readiness::Waiting(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_understood() {
        let check = |answer, expected| assert_eq!(readiness(answer), expected, "{answer}");
        check("HTTP/1.1 200 OK\r\n\r\nready\n", Readiness::Ready);
        check(
            "HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\nno hook fires\n",
            Readiness::Waiting("no hook fires".to_owned()),
        );
        check(
            "HTTP/1.1 404 Not Found\r\n\r\n",
            Readiness::Waiting("it answers 404".to_owned()),
        );
        check("", Readiness::Silent);
        check("SSH-2.0-x", Readiness::Silent);
    }
}
