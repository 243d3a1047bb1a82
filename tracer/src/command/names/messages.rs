//! What does a message of DNS, mDNS or LLMNR tell?

use super::found::What;
use crate::name::dns::{self, Message};

/// Adds what a message tells to `found`. Says whether it could be read.
pub fn read(bytes: &[u8], found: &mut Vec<What>) -> bool {
    match dns::message(bytes) {
        Some(Message::Query(question)) => found.push(What::Query(question)),
        Some(Message::Answer(answer)) => found.push(What::Answer(answer)),
        None => return announced(bytes, found),
    }
    true
}

/// mDNS tells addresses unasked, of several names in one message perhaps.
fn announced(bytes: &[u8], found: &mut Vec<What>) -> bool {
    let mut names: Vec<(String, Vec<_>)> = Vec::new();
    for (name, address, _) in dns::announcements(bytes) {
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, addresses)) => addresses.push(address),
            None => names.push((name, vec![address])),
        }
    }
    let is_read = !names.is_empty();
    found.extend(
        names
            .into_iter()
            .map(|(name, addresses)| What::Announcement(name, addresses)),
    );
    is_read
}
