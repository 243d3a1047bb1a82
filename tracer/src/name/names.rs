//! Which name did a contact go to? Takes what passed, in the order of the kernel's clock, and answers for a contact as of its beginning.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tracer_common::{
    Address, NameEvent,
    map::PROTOCOL_TCP,
    name::{DATAGRAM_IN, DATAGRAM_OUT, DNS, LLMNR, MULTICAST_DNS, STREAM_IN, STREAM_OUT},
};

use super::{
    address::is_public,
    dns::{self, Answer, Message, Question},
    heard::{Heard, Whole},
    lookups::{Lookup, Lookups},
    questions::{Asked, Place, Questions},
    stream::Beginning,
};
use crate::model::{Candidate, Id, Name, NameSource, Naming, Via};

/// Contacts of which something is heard and whose end is not known yet: as many as can live.
const CONTACTS: usize = 131_072;
/// DNS over TCP: streams that are put together at a time, and what is kept of one.
const STREAMS: usize = 4_096;
const STREAM: usize = 16_384;
/// Nanoseconds after which nothing more is heard of what does not live.
const SILENCE_NS: u64 = 10 * 1_000_000_000;
/// Public names of servers of ECH that are remembered (RFC 9849 section 4).
const PUBLIC_NAMES: usize = 4_096;
/// The one that most have.
const CLOUDFLARE: &str = "cloudflare-ech.com";
/// Questions that wait to be counted.
const COUNTED: usize = 65_536;

/// A contact that is to get its name.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    pub id: Id,
    pub process: u64,
    /// 0 where it is not known.
    pub thread: u32,
}

/// Somebody asked for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub process: u64,
    pub name: Arc<str>,
    pub via: Via,
}

/// A stream of messages of DNS: how many bytes have been read, and those that are no whole message yet.
struct Messages {
    read: u32,
    bytes: Beginning,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            read: 0,
            bytes: Beginning::new(STREAM),
        }
    }
}

/// All that is known of names.
#[derive(Default)]
pub struct Names {
    heard: HashMap<Id, (Heard, u64)>,
    /// By contact, and whether they arrive.
    streams: HashMap<(Id, bool), Messages>,
    questions: Questions,
    lookups: Lookups,
    public: HashSet<String>,
    requests: Vec<Request>,
    lost: u64,
    last_ns: u64,
}

impl Names {
    /// Takes what passed.
    pub fn take(&mut self, event: &NameEvent, bytes: &[u8]) {
        self.last_ns = self.last_ns.max(event.at_ns);
        let id = Id {
            socket: event.socket,
            began_ns: event.began_ns,
            address: event.address,
            port: if event.protocol == PROTOCOL_TCP {
                0
            } else {
                event.port
            },
        };
        match (event.kind, event.port) {
            (STREAM_OUT | STREAM_IN, DNS) => self.dns_stream(id, event, bytes),
            (STREAM_OUT, _) => {
                if let Some(heard) = self.heard(id, event.at_ns) {
                    heard.stream(event.offset, bytes, event.at_ns);
                }
            }
            (DATAGRAM_OUT | DATAGRAM_IN, DNS | MULTICAST_DNS | LLMNR) => {
                self.dns_datagram(event, bytes);
            }
            (DATAGRAM_OUT, _) => {
                if let Some(heard) = self.heard(id, event.at_ns) {
                    let each = match event.segment as usize {
                        0 => bytes.len().max(1),
                        segment => segment,
                    };
                    for datagram in bytes.chunks(each) {
                        heard.datagram(datagram, event.at_ns);
                    }
                }
            }
            _ => {}
        }
    }

    fn heard(&mut self, id: Id, at_ns: u64) -> Option<&mut Heard> {
        if self.heard.len() >= CONTACTS && !self.heard.contains_key(&id) {
            self.lost += 1;
            return None;
        }
        let (heard, last_ns) = self.heard.entry(id).or_default();
        *last_ns = at_ns;
        Some(heard)
    }

    fn dns_datagram(&mut self, event: &NameEvent, bytes: &[u8]) {
        if event.port != DNS && event.kind == DATAGRAM_IN {
            self.announced(event, bytes);
        }
        match dns::message(bytes) {
            Some(Message::Query(question)) if event.kind == DATAGRAM_OUT => {
                self.ask(event, question);
            }
            Some(Message::Answer(answer)) if event.kind == DATAGRAM_IN => {
                self.answer(event, &answer);
            }
            _ => {}
        }
    }

    fn dns_stream(&mut self, id: Id, event: &NameEvent, bytes: &[u8]) {
        let arrives = event.kind == STREAM_IN;
        if self.streams.len() >= STREAMS && !self.streams.contains_key(&(id, arrives)) {
            self.lost += 1;
            return;
        }
        let stream = self.streams.entry((id, arrives)).or_default();
        // What is sent once more may have been read.
        let again = stream.read.saturating_sub(event.offset) as usize;
        let rest = bytes.get(again..).unwrap_or_default();
        let at = event.offset.saturating_sub(stream.read);
        stream.bytes.insert(at.into(), rest);
        let mut messages = Vec::new();
        let taken = dns::in_stream(stream.bytes.bytes(), |message| {
            messages.extend(dns::message(message));
        });
        stream.bytes.forget(taken);
        stream.read = stream.read.saturating_add(taken as u32);
        for message in messages {
            match message {
                Message::Query(question) if !arrives => self.ask(event, question),
                Message::Answer(answer) if arrives => self.answer(event, &answer),
                _ => {}
            }
        }
    }

    fn ask(&mut self, event: &NameEvent, question: Question) {
        let name: Arc<str> = question.name.as_str().into();
        let asked = Asked {
            question,
            process: event.process,
            thread: event.thread as u32,
            at_ns: event.at_ns,
        };
        if self.requests.len() < COUNTED {
            self.requests.push(Request {
                process: event.process,
                name,
                via: Via::Dns,
            });
        } else {
            self.lost += 1;
        }
        let place = place(event, asked.question.id);
        self.lost += u64::from(!self.questions.ask(place, asked));
    }

    fn answer(&mut self, event: &NameEvent, answer: &Answer) {
        let place = place(event, answer.question.id);
        let Some(asked) = self.questions.answer(&place, &answer.question) else {
            return;
        };
        for name in &answer.public_names {
            if self.public.len() < PUBLIC_NAMES {
                self.public.insert(name.clone());
            }
        }
        let chain: Arc<[Arc<str>]> = answer
            .chain
            .iter()
            .map(|name| name.as_str().into())
            .collect();
        let name: Arc<str> = answer.question.name.as_str().into();
        let addresses = answer
            .addresses
            .iter()
            .map(|(address, seconds)| (Address::of(*address), *seconds));
        self.lookups.add(
            (asked.process, asked.thread),
            (&name, &chain),
            addresses,
            event.at_ns,
        );
    }

    /// What somebody tells all on his network. Only what was asked for over this socket counts: anybody may announce any name for any
    /// address.
    fn announced(&mut self, event: &NameEvent, bytes: &[u8]) {
        for (name, address, seconds) in dns::announcements(bytes) {
            let Some(asked) = self.questions.asked_all(event.socket, &name) else {
                continue;
            };
            let who = (asked.process, asked.thread);
            let name: Arc<str> = name.as_str().into();
            let address = (Address::of(address), seconds);
            self.lookups
                .add(who, (&name, &Arc::default()), [address], event.at_ns);
        }
    }

    /// The name of a contact's destination, of all that is known now.
    pub fn name(&self, contact: &Contact) -> Option<Name> {
        let (address, began_ns) = (&contact.id.address, contact.id.began_ns);
        if address.is_any() {
            return None;
        }
        let hello = self.hello(&contact.id);
        let own = self
            .lookups
            .own((contact.process, contact.thread), address, began_ns);
        if let Some(whole) = hello
            && let Some(name) = &whole.hello.name
            && self.stands(contact, whole, name, own)
        {
            return Some(Name {
                text: name.as_str().into(),
                source: source(whole),
            });
        }
        if let Some(own) = own {
            return Some(Name {
                text: Arc::clone(&own.name),
                source: NameSource::Lookup,
            });
        }
        // Who says no name in his handshake did not come by one.
        let says_none = hello.is_some_and(|whole| whole.hello.name.is_none());
        if says_none || !is_public(address) {
            return None;
        }
        let told = self.lookups.device(address, began_ns)?;
        Some(Name {
            text: Arc::clone(&told.name),
            source: NameSource::Dns,
        })
    }

    /// Whether the name in a hello is that of the destination. With ECH it may be the one that a server shows to all.
    fn stands(&self, contact: &Contact, whole: &Whole, name: &str, own: Option<&Lookup>) -> bool {
        let (address, began_ns) = (&contact.id.address, contact.id.began_ns);
        if !whole.hello.ech {
            return true;
        }
        let (asked, _) = self.lookups.all(contact.process, address, began_ns);
        if asked.iter().any(|lookup| &*lookup.name == name) {
            return true;
        }
        own.is_none() && name != CLOUDFLARE && !self.public.contains(name)
    }

    /// All that speaks for a name, or says that there is none; `None` where nothing does.
    pub fn naming(&self, contact: &Contact) -> Option<Naming> {
        let (address, began_ns) = (&contact.id.address, contact.id.began_ns);
        let hello = self.hello(&contact.id);
        let (own, others) = self.lookups.all(contact.process, address, began_ns);
        let mut naming = Naming::default();
        if let Some(whole) = hello {
            naming.alpn.clone_from(&whole.hello.alpn);
            naming.ech = whole.hello.ech;
            naming.hello = true;
            let name = whole.hello.name.as_deref();
            naming.candidates.extend(name.map(|name| Candidate {
                name: Name {
                    text: name.into(),
                    source: source(whole),
                },
                at: whole.at_ns,
                offset: whole.offset,
                chain: Arc::default(),
            }));
        }
        let of = |lookup: &&Lookup, source| Candidate {
            name: Name {
                text: Arc::clone(&lookup.name),
                source,
            },
            at: lookup.last_ns,
            offset: None,
            chain: Arc::clone(&lookup.chain),
        };
        naming
            .candidates
            .extend(own.iter().map(|lookup| of(lookup, NameSource::Lookup)));
        naming
            .candidates
            .extend(others.iter().map(|lookup| of(lookup, NameSource::Dns)));
        (naming != Naming::default()).then_some(naming)
    }

    fn hello(&self, id: &Id) -> Option<&Whole> {
        self.heard.get(id).and_then(|(heard, _)| heard.hello())
    }

    /// Whether a contact's hello is known.
    pub fn has_hello(&self, id: &Id) -> bool {
        self.hello(id).is_some()
    }

    /// Whether a hello has begun that may still be completed.
    pub fn may_hear(&self, id: &Id) -> bool {
        self.heard
            .get(id)
            .is_some_and(|(heard, _)| heard.is_unfinished())
    }

    /// A contact is over and has its name.
    pub fn end(&mut self, id: &Id) {
        self.heard.remove(id);
        if !self.streams.is_empty() {
            self.streams.remove(&(*id, false));
            self.streams.remove(&(*id, true));
        }
    }

    /// A program is gone, with all of its contacts.
    pub fn forget(&mut self, process: u64) {
        self.lookups.forget(process);
    }

    /// Forgets what does not live: contacts whose end nobody told.
    pub fn keep(&mut self, lives: impl Fn(&Id) -> bool) {
        let old = self.last_ns.saturating_sub(SILENCE_NS);
        self.heard
            .retain(|id, (_, last_ns)| *last_ns > old || lives(id));
        self.streams.retain(|(id, _), _| lives(id));
    }

    /// Names that were asked for since the last time.
    pub fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// How often there was no room for what might have said a name.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

fn source(whole: &Whole) -> NameSource {
    if whole.offset.is_some() {
        NameSource::Sni
    } else {
        NameSource::Quic
    }
}

fn place(event: &NameEvent, id: u16) -> Place {
    // What is asked of all is answered by one.
    let address = if event.port == DNS {
        event.address
    } else {
        Address::ANY
    };
    Place {
        socket: event.socket,
        address,
        port: event.port,
        id,
    }
}

#[cfg(test)]
#[path = "names/tests.rs"]
mod tests;
