//! What somebody asked and was told: by DNS, by a C library, by Android's resolver.

use std::{net::IpAddr, sync::Arc};

use tracer_common::{
    Address, NameEvent,
    name::{DATAGRAM_IN, DATAGRAM_OUT, DNS, MULTICAST_DNS, STREAM_BYTES, STREAM_IN},
};

use super::{Names, PUBLIC_NAMES, STREAMS};
use crate::{
    model::{Id, Via},
    name::{
        answered,
        dns::{self, Answer, Message, Question},
        proxy::{Asks, Told},
        questions::{Asked, Place},
    },
};

impl Names {
    pub(super) fn dns_datagram(&mut self, event: &NameEvent, bytes: &[u8]) {
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
            // What is told to all is no question.
            None if event.kind == DATAGRAM_OUT && event.port != MULTICAST_DNS => {
                self.requests.misread(event.process);
            }
            _ => {}
        }
    }

    pub(super) fn dns_stream(&mut self, id: Id, event: &NameEvent, bytes: &[u8]) {
        let arrives = event.kind == STREAM_IN;
        // What is asked further on in the stream is not seen any more.
        if !arrives && event.offset.saturating_add(event.length) > STREAM_BYTES / 2 {
            self.requests.misread(event.process);
        }
        if self.streams.len() >= STREAMS && !self.streams.contains_key(&(id, arrives)) {
            self.lost += 1;
            return;
        }
        let (stream, last_ns) = self.streams.entry((id, arrives)).or_default();
        *last_ns = event.at_ns;
        let (messages, are_read) = stream.take(event.offset, bytes);
        if !arrives && !are_read {
            self.requests.misread(event.process);
        }
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
        self.remembered.add_name(&name);
        let asked = Asked {
            question,
            process: event.process,
            thread: event.thread,
            at_ns: event.at_ns,
        };
        self.requests.ask(event, &name, Via::Dns);
        let place = place(event, asked.question.id);
        self.lost += u64::from(!self.questions.ask(place, asked));
    }

    /// A call of a C library has returned.
    pub(super) fn answered(&mut self, event: &NameEvent, bytes: &[u8]) {
        let call = answered::call(bytes);
        let name = call.as_ref().map(|call| Arc::from(call.name.as_str()));
        self.requests.returned(event, name.as_ref());
        let (Some(call), Some(name)) = (call, name) else {
            return;
        };
        self.remembered.add_name(&name);
        for address in &call.addresses {
            self.remembered.add_address(address);
        }
        let who = (event.process, event.thread);
        let moments = (event.began_ns, event.at_ns);
        self.lookups.add_call(who, &name, &call.addresses, moments);
    }

    /// A program says something to Android's resolver.
    pub(super) fn ask_proxy(&mut self, event: &NameEvent, bytes: &[u8]) {
        let who = (event.process, event.thread);
        // What a library is told it tells by itself.
        let said = (bytes, event.within_call == 0);
        match self.proxy.ask(event.socket, who, said, event.at_ns) {
            Asks::Name(name) => {
                let name = Arc::from(name);
                self.remembered.add_name(&name);
                self.requests.ask(event, &name, Via::Proxy);
            }
            Asks::Unread => self.requests.misread(event.process),
            Asks::Nothing => {}
        }
    }

    /// That says something to a program.
    pub(super) fn proxy_tells(&mut self, event: &NameEvent, bytes: &[u8]) {
        match self.proxy.tell(event.socket, bytes, event.at_ns) {
            Some((who, Told::Dns(answer))) => self.learn(who, &answer, event.at_ns),
            Some((who, Told::Addresses(name, addresses))) => {
                // It says of none how long it holds.
                let addresses = addresses.into_iter().map(|address| (address, 0));
                let name = Arc::from(name);
                self.add(who, (&name, &Arc::default()), addresses, event.at_ns);
            }
            None => {}
        }
    }

    fn answer(&mut self, event: &NameEvent, answer: &Answer) {
        let place = place(event, answer.question.id);
        let Some(asked) = self.questions.answer(&place, &answer.question) else {
            return;
        };
        self.learn((asked.process, asked.thread), answer, event.at_ns);
    }

    /// Somebody is told what DNS says.
    fn learn(&mut self, who: (u64, u32), answer: &Answer, at_ns: u64) {
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
        for name in chain.iter() {
            self.remembered.add_name(name);
        }
        let addresses = answer.addresses.iter().copied();
        self.add(who, (&name, &chain), addresses, at_ns);
    }

    /// Somebody is told that a name has these addresses, each for so many seconds.
    fn add(
        &mut self,
        who: (u64, u32),
        names: (&Arc<str>, &Arc<[Arc<str>]>),
        addresses: impl Iterator<Item = (IpAddr, u32)>,
        at_ns: u64,
    ) {
        let addresses: Vec<_> = addresses
            .map(|(address, seconds)| (Address::of(address), seconds))
            .collect();
        for (address, _) in &addresses {
            self.remembered.add_address(address);
        }
        self.lookups.add(who, names, addresses, at_ns);
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
            let told = [(address, seconds)].into_iter();
            self.add(who, (&name, &Arc::default()), told, event.at_ns);
        }
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
