//! What do programs ask Android's resolver for, and what does it answer? What goes over `/dev/socket/dnsproxyd`, write by write.

use std::collections::HashMap;

use super::progress::Progress;
pub use protocol::{Command, Told, answer, command};

#[path = "proxy/protocol.rs"]
mod protocol;

/// Programs that wait for an answer at a time.
const WAITING: usize = 1_024;
/// Answers that one program waits for.
const OF_A_PROGRAM: usize = 64;
/// Bytes of a command: the resolver reads no more.
const COMMAND: usize = 4_096;
/// Bytes of an answer: a message of DNS has at most 8,192 there (`MAXPACKET`), and 64 addresses take some 4,000.
const ANSWER: usize = 16_384;
/// Nanoseconds after which nobody waits any more: the resolver itself gives up before.
const PATIENCE_NS: u64 = 60 * 1_000_000_000;

/// Process and thread.
type Who = (u64, u32);

/// What a program is heard to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// For no name, or not yet.
    Nothing,
    Name(String),
    /// For what cannot be read, or found no room.
    Unread,
}

/// The programs that wait, by their sockets.
#[derive(Default)]
pub struct Proxy {
    talks: HashMap<u64, Talk>,
    lost: u64,
}

struct Talk {
    who: Who,
    asked: Vec<u8>,
    command: Option<Command>,
    told: Vec<u8>,
    last_ns: u64,
    /// More was asked than is known, before there was an answer: nobody can say to what it is one.
    is_doubtful: bool,
}

impl Proxy {
    /// A program says something over a socket. `awaits`: what it is told will be seen here.
    pub fn ask(
        &mut self,
        socket: u64,
        who: Who,
        (bytes, awaits): (&[u8], bool),
        at_ns: u64,
    ) -> Asks {
        let mut talk = self.talk(socket, who, at_ns);
        let room = COMMAND - talk.asked.len();
        talk.asked.extend(bytes.iter().take(room));
        let end = talk.asked.iter().position(|byte| *byte == 0);
        let is_over = end.is_some_and(|end| end + 1 < talk.asked.len());
        // The resolver reads on behind the zero, and understands quotes.
        let is_plain = !talk.asked.iter().any(|byte| matches!(byte, b'"' | b'\\'));
        match end {
            None if is_plain && talk.asked.len() < COMMAND => {
                if self.keep(socket, talk) {
                    Asks::Nothing
                } else {
                    Asks::Unread
                }
            }
            Some(end) if is_plain && !is_over => {
                let Some(command) = command(&talk.asked[..end]) else {
                    return Asks::Nothing;
                };
                let name = command.name().to_owned();
                talk.command = Some(command);
                if awaits {
                    self.keep(socket, talk);
                }
                Asks::Name(name)
            }
            _ => {
                // It is answered all the same.
                talk.asked = Vec::new();
                talk.is_doubtful = true;
                self.keep(socket, talk);
                Asks::Unread
            }
        }
    }

    /// What was said over a socket so far, which is taken out.
    fn talk(&mut self, socket: u64, who: Who, at_ns: u64) -> Talk {
        let before = self.talks.remove(&socket);
        let before = before.filter(|talk| talk.last_ns.saturating_add(PATIENCE_NS) >= at_ns);
        match before {
            Some(talk) if talk.command.is_none() && talk.who == who => Talk {
                last_ns: at_ns,
                ..talk
            },
            before => Talk {
                who,
                asked: Vec::new(),
                command: None,
                told: Vec::new(),
                last_ns: at_ns,
                is_doubtful: before.is_some(),
            },
        }
    }

    /// `false` where there is no room for it.
    fn keep(&mut self, socket: u64, talk: Talk) -> bool {
        let now_ns = talk.last_ns;
        let waits = |other: &Talk| other.last_ns.saturating_add(PATIENCE_NS) >= now_ns;
        if self.talks.len() >= WAITING {
            self.talks.retain(|_, other| waits(other));
        }
        let others = self.talks.values();
        let of_it = others.filter(|other| other.who.0 == talk.who.0 && waits(other));
        let has_room = self.talks.len() < WAITING && of_it.count() < OF_A_PROGRAM;
        if has_room {
            self.talks.insert(socket, talk);
        } else {
            self.lost += 1;
        }
        has_room
    }

    /// The resolver says something to whom a socket belongs. Returns who asked, and what he is told, once that is whole.
    pub fn tell(&mut self, socket: u64, bytes: &[u8], at_ns: u64) -> Option<(Who, Told)> {
        let talk = self.talks.get_mut(&socket)?;
        let command = talk.command.as_ref().filter(|_| !talk.is_doubtful)?;
        talk.last_ns = at_ns;
        let room = ANSWER - talk.told.len();
        talk.told.extend(bytes.iter().take(room));
        let told = match answer(command, &talk.told) {
            Progress::Incomplete if talk.told.len() < ANSWER => return None,
            Progress::Is(told) => Some((talk.who, told)),
            Progress::Incomplete | Progress::Not => None,
        };
        self.talks.remove(&socket);
        told
    }

    /// How often there was no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
#[path = "proxy/made.rs"]
pub mod made;
#[cfg(test)]
#[path = "proxy/tests.rs"]
mod tests;
