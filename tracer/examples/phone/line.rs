//! What a zygote is told, one line each: words with spaces between.

use std::net::SocketAddr;
use std::str::{FromStr, SplitWhitespace};

use anyhow::{Context, Result, bail};

#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// `install NAME APPID VERSION`
    Install(String, u32, u64),
    /// `uninstall NAME`
    Uninstall(String),
    /// `wait SECONDS`
    Wait(u64),
    /// `app UID PROCESS CONTACTS…`: an app is forked and makes contacts.
    App(u32, String, Vec<Contacts>),
    /// `early UID PROCESS CONTACTS…`: the same before it has its name.
    Early(u32, String, Vec<Contacts>),
    /// `lookups TO TIMES UID…`: netd asks a name server for apps.
    Lookups(SocketAddr, u32, Vec<u32>),
    /// `sort TO TIMES UID…`: netd sorts addresses for apps, with sockets that send nothing.
    Sort(SocketAddr, u32, Vec<u32>),
    /// `named UID PROCESS VISITS…`: an app asks the resolver for names, and contacts those that have them.
    Named(u32, String, Vec<Visit>),
    /// `download UID PROCESS CHARGED CONTACTS…`: a download manager fetches for somebody else.
    Download(u32, String, u32, Vec<Contacts>),
}

/// `KIND TO TIMES SENT RECEIVED`: so many contacts, and so many bytes over each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contacts {
    pub kind: Kind,
    pub to: SocketAddr,
    pub times: u32,
    pub sent: u32,
    pub received: u32,
}

/// `HOW NAME TO TIMES SENT RECEIVED`: a name is asked for once, and has the address that is contacted so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub how: How,
    pub name: String,
    pub contacts: Contacts,
}

/// How the resolver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// As `getaddrinfo` does.
    List,
    /// As `gethostbyname` does.
    Host,
    /// With a message of DNS.
    Dns,
    /// As `getaddrinfo` does, by somebody who does not wait for the answer.
    Left,
    /// Not at all.
    Literal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As Java does: a socket of IPv6, whatever the address.
    Tcp,
    /// As native code does: a socket of the address's family, and a call that does not wait.
    Native,
    /// To a port where nobody listens.
    Refused,
    /// A socket that is connected, and one that is not, in turns.
    Udp,
}

impl Line {
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let line = match words.next() {
            Some("install") => {
                Self::Install(take(&mut words)?, take(&mut words)?, take(&mut words)?)
            }
            Some("uninstall") => Self::Uninstall(take(&mut words)?),
            Some("wait") => Self::Wait(take(&mut words)?),
            Some("app") => Self::App(take(&mut words)?, take(&mut words)?, contacts(&mut words)?),
            Some("early") => {
                Self::Early(take(&mut words)?, take(&mut words)?, contacts(&mut words)?)
            }
            Some("named") => Self::Named(take(&mut words)?, take(&mut words)?, visits(&mut words)?),
            Some("lookups") => {
                Self::Lookups(take(&mut words)?, take(&mut words)?, all(&mut words)?)
            }
            Some("sort") => Self::Sort(take(&mut words)?, take(&mut words)?, all(&mut words)?),
            Some("download") => Self::Download(
                take(&mut words)?,
                take(&mut words)?,
                take(&mut words)?,
                contacts(&mut words)?,
            ),
            _ => bail!("not understood"),
        };
        if let Some(word) = words.next() {
            bail!("nobody expects {word} here");
        }
        Ok(line)
    }
}

fn take<T: FromStr>(words: &mut SplitWhitespace) -> Result<T> {
    let word = words.next().context("it ends too early")?;
    let Ok(value) = word.parse() else {
        bail!("{word} is not what is expected there");
    };
    Ok(value)
}

fn all<T: FromStr>(words: &mut SplitWhitespace) -> Result<Vec<T>> {
    let mut values = Vec::new();
    while words.clone().next().is_some() {
        values.push(take(words)?);
    }
    Ok(values)
}

fn of_kind(kind: Kind, words: &mut SplitWhitespace) -> Result<Contacts> {
    Ok(Contacts {
        kind,
        to: take(words)?,
        times: take(words)?,
        sent: take(words)?,
        received: take(words)?,
    })
}

fn visits(words: &mut SplitWhitespace) -> Result<Vec<Visit>> {
    let mut list = Vec::new();
    while let Some(how) = words.next() {
        let how = match how {
            "list" => How::List,
            "host" => How::Host,
            "dns" => How::Dns,
            "left" => How::Left,
            "literal" => How::Literal,
            _ => bail!("nobody is asked by {how}"),
        };
        list.push(Visit {
            how,
            name: take(words)?,
            contacts: of_kind(Kind::Native, words)?,
        });
    }
    Ok(list)
}

fn contacts(words: &mut SplitWhitespace) -> Result<Vec<Contacts>> {
    let mut list = Vec::new();
    while let Some(kind) = words.next() {
        let kind = match kind {
            "tcp" => Kind::Tcp,
            "native" => Kind::Native,
            "refused" => Kind::Refused,
            "udp" => Kind::Udp,
            _ => bail!("{kind} is no kind of contact"),
        };
        list.push(of_kind(kind, words)?);
    }
    Ok(list)
}
