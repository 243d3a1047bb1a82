//! Which name did a contact go to? Takes what passed, in the order of the kernel's clock, and answers for a contact as of its beginning.

mod asked;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tracer_common::{
    Address, NameEvent,
    map::PROTOCOL_TCP,
    name::{
        ANSWERED, DATAGRAM_IN, DATAGRAM_OUT, DNS, LLMNR, MULTICAST_DNS, PROXY_IN, PROXY_OUT,
        STREAM_IN, STREAM_OUT,
    },
};

use super::{
    address::is_public,
    heard::{Heard, Whole},
    lookups::{Lookup, Lookups},
    messages::Messages,
    proxy::Proxy,
    questions::Questions,
    remembered::{Remembered, Trace},
    requests::{Request, Requests},
};
use crate::model::{Candidate, Id, Name, NameSource, Naming};

/// Contacts of which something is heard and whose end is not known yet: as many as can live.
const CONTACTS: usize = 131_072;
/// DNS over TCP: streams that are put together at a time.
const STREAMS: usize = 4_096;
/// Nanoseconds after which nothing more is heard of what does not live.
const SILENCE_NS: u64 = 10 * 1_000_000_000;
/// Public names of servers of ECH that are remembered (RFC 9849 section 4).
const PUBLIC_NAMES: usize = 4_096;
/// The one that most have.
const CLOUDFLARE: &str = "cloudflare-ech.com";

/// A contact that is to get its name.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    pub id: Id,
    pub process: u64,
    /// 0 where it is not known.
    pub thread: u32,
}

/// All that is known of names.
#[derive(Default)]
pub struct Names {
    heard: HashMap<Id, (Heard, u64)>,
    /// By contact, and whether they arrive; with the moment of the last part.
    streams: HashMap<(Id, bool), (Messages, u64)>,
    questions: Questions,
    lookups: Lookups,
    public: HashSet<String>,
    requests: Requests,
    proxy: Proxy,
    /// Each name that anybody asked for, and each address that anybody was told.
    remembered: Remembered,
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
            (ANSWERED, _) => self.answered(event, bytes),
            (PROXY_OUT, _) => self.ask_proxy(event, bytes),
            (PROXY_IN, _) => self.proxy_tells(event, bytes),
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

    /// The name of a contact's destination, of all that is known now.
    pub fn name(&self, contact: &Contact) -> Option<Name> {
        self.name_with(contact, self.hello(&contact.id))
    }

    fn name_with(&self, contact: &Contact, hello: Option<&Whole>) -> Option<Name> {
        let (address, began_ns) = (&contact.id.address, contact.id.began_ns);
        if address.is_any() {
            return None;
        }
        let own = self
            .lookups
            .own((contact.process, contact.thread), address, began_ns);
        if let Some(whole) = hello
            && let Some(name) = &whole.hello.name
            && self.stands(contact, whole, name, own)
        {
            return Some(Name {
                text: Arc::clone(name),
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
        self.naming_with(contact, self.hello(&contact.id))
    }

    fn naming_with(&self, contact: &Contact, hello: Option<&Whole>) -> Option<Naming> {
        let (address, began_ns) = (&contact.id.address, contact.id.began_ns);
        let (own, others) = self.lookups.all(contact.process, address, began_ns);
        let mut naming = Naming::default();
        if let Some(whole) = hello {
            naming.alpn.clone_from(&whole.hello.alpn);
            naming.ech = whole.hello.ech;
            naming.hello = true;
            let name = whole.hello.name.as_ref();
            naming.candidates.extend(name.map(|name| Candidate {
                name: Name {
                    text: Arc::clone(name),
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

    /// All of a contact that is over: its name, what speaks for one, and whether its hello is not what its stream begins with.
    pub fn end(&mut self, contact: &Contact) -> (Option<Name>, Option<Naming>, bool) {
        let id = contact.id;
        if !self.streams.is_empty() {
            self.streams.remove(&(id, false));
            self.streams.remove(&(id, true));
        }
        let heard = self.heard.remove(&id).map(|(heard, _)| heard);
        let hello = heard.as_ref().and_then(Heard::hello);
        (
            self.name_with(contact, hello),
            self.naming_with(contact, hello),
            hello.is_some_and(Whole::is_behind),
        )
    }

    /// A program is gone, with all of its contacts.
    pub fn forget(&mut self, process: u64) {
        self.lookups.forget(process);
    }

    /// A program has ended: what its library asked for in calls that did not return counts now.
    pub fn end_questions(&mut self, process: u64) {
        self.requests.end(process);
    }

    /// Forgets what does not live: contacts whose end nobody told. One that is heard of may have begun since somebody looked who lives.
    pub fn keep(&mut self, lives: impl Fn(&Id) -> bool) {
        let old = self.last_ns.saturating_sub(SILENCE_NS);
        self.heard
            .retain(|id, (_, last_ns)| *last_ns > old || lives(id));
        self.streams
            .retain(|(id, _), (_, last_ns)| *last_ns > old || lives(id));
    }

    /// Names that were asked for since the last time.
    pub fn requests(&mut self) -> Vec<Request> {
        self.requests.take(self.last_ns)
    }

    /// Whether somebody asked for a name or was told an address, at whatever time.
    pub fn trace(&self, name: &str, address: &Address) -> Trace {
        self.remembered.trace(name, address)
    }

    /// Whether a contact's hello is not what its stream begins with: somebody was asked before to lead it on, or to encrypt.
    pub fn is_behind(&self, id: &Id) -> bool {
        self.hello(id).is_some_and(Whole::is_behind)
    }

    /// Programs whose questions could not be read since the last time.
    pub fn unread(&mut self) -> HashSet<u64> {
        self.requests.unread()
    }

    /// How often there was no room for what might have said a name.
    pub fn lost(&self) -> u64 {
        self.lost + self.requests.lost() + self.proxy.lost()
    }
}

fn source(whole: &Whole) -> NameSource {
    if whole.offset.is_some() {
        NameSource::Sni
    } else {
        NameSource::Quic
    }
}

#[cfg(test)]
#[path = "names/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "names/calls.rs"]
mod calls;
