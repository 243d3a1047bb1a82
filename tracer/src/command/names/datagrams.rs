//! Which names are in datagrams of UDP? In messages of DNS, mDNS and LLMNR, and in the hellos of QUIC.

use super::{
    found::{Flow, What},
    messages,
    table::Table,
};
use crate::{
    capture::transport::Datagram,
    name::{
        hello::Hello,
        progress::Progress,
        quic::{Initials, is_initial},
    },
};

/// Most flows of QUIC that are followed, with at most 70 KB each and 4 KB as a rule.
const MOST: usize = 1_024;
/// DNS, mDNS, LLMNR.
const DNS_PORTS: [u16; 3] = [53, 5353, 5355];

/// What a client of QUIC sent, and the hello that it was seen to send last.
#[derive(Default)]
struct Client {
    initials: Initials,
    last: Option<Hello>,
}

pub struct Datagrams {
    clients: Table<Flow, Client>,
    /// Messages of DNS that are none that is read.
    pub unread: u64,
}

impl Datagrams {
    pub fn new() -> Self {
        Self {
            clients: Table::new(MOST, |client| client.last.is_none()),
            unread: 0,
        }
    }

    pub fn dropped(&self) -> u64 {
        self.clients.dropped
    }

    /// Takes a datagram, and adds to `found` what it makes complete.
    pub fn take(&mut self, flow: Flow, datagram: &Datagram<'_>, found: &mut Vec<What>) {
        let ports = [datagram.source_port, datagram.destination_port];
        if ports.iter().any(|port| DNS_PORTS.contains(port)) {
            self.unread += u64::from(!messages::read(datagram.payload, found));
            return;
        }
        // Who answers an Initial sends one too. The first of the two is the client's.
        let is_new = self.clients.get(flow).is_none();
        if is_new && (!is_initial(datagram.payload) || self.clients.get(flow.reversed()).is_some())
        {
            return;
        }
        // Packets with a short header come when the hello is over.
        if datagram
            .payload
            .first()
            .is_none_or(|first| first & 0x80 == 0)
        {
            return;
        }
        let client = self.clients.get_or_make(flow, Client::default);
        match client.initials.datagram(datagram.payload) {
            Progress::Incomplete => {}
            Progress::Not => drop(self.clients.remove(flow)),
            // A client repeats its hello after a Retry, and what was lost; another one is another connection's.
            Progress::Is(hello) => {
                if client.last.as_ref() != Some(&hello) {
                    client.last = Some(hello.clone());
                    found.push(What::Quic(hello));
                }
            }
        }
    }
}
