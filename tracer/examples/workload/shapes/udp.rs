//! One socket of UDP and what a program may do with it: name its remote or not, one remote or several, in whatever system call.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;

use anyhow::{Context, Result, ensure};

use super::random::Random;
use super::{Told, mapped};
use crate::truth::Truth;
use crate::{datagram, kernel, message, socket};

/// On loopback an answer takes microseconds.
const PATIENCE: u64 = 10;
const STEPS: u64 = 8;
/// They fit into a packet, inside another one too.
const MOST_BYTES: u64 = 1_200;

/// A socket, as far as it has come.
struct Shape<'a> {
    socket: OwnedFd,
    /// Whether it is of IPv6, over which it reaches both families.
    is_six: bool,
    connected: Option<SocketAddr>,
    places: &'a [SocketAddr],
    /// With whom it has a contact, and of those who has answered.
    begun: BTreeSet<SocketAddr>,
    answered: BTreeSet<SocketAddr>,
    sent: HashMap<SocketAddr, u64>,
    received: HashMap<SocketAddr, u64>,
}

pub fn socket(random: &mut Random, places: &[SocketAddr], told: &mut Told) -> Result<()> {
    let is_six = random.one_in(2);
    let family = if is_six {
        libc::AF_INET6
    } else {
        libc::AF_INET
    };
    let socket = socket::open_as(family, libc::SOCK_DGRAM, 0)?;
    message::give_up_after(&socket, kernel::patience(PATIENCE))?;
    if random.one_in(4) {
        let any = if is_six { "[::]:0" } else { "0.0.0.0:0" };
        socket::bind(&socket, any.parse().context("an address")?)?;
    }
    let mut shape = Shape {
        socket,
        is_six,
        connected: None,
        places,
        begun: BTreeSet::new(),
        answered: BTreeSet::new(),
        sent: HashMap::new(),
        received: HashMap::new(),
    };
    for _ in 0..=random.below(STEPS) {
        if !shape.step(random)? {
            break;
        }
    }
    for place in &shape.begun {
        let truth: &mut Truth = told.entry(("udp", *place)).or_default();
        truth.begin();
        truth.established += u64::from(shape.answered.contains(place));
        truth.sent += shape.sent.get(place).copied().unwrap_or(0);
        truth.received += shape.received.get(place).copied().unwrap_or(0);
    }
    Ok(())
}

impl Shape<'_> {
    /// `false` where the kernel refuses it, and nothing was sent.
    fn step(&mut self, random: &mut Random) -> Result<bool> {
        if random.one_in(4) {
            let place = self.reachable(random);
            // One that has an address of its own by now does not reach every place.
            if socket::connect(&self.socket, self.named(place)).is_err() {
                return Ok(false);
            }
            self.connected = Some(place);
        }
        // Who is connected hears nobody else, so it names nobody else here.
        let place = self.connected.unwrap_or_else(|| self.reachable(random));
        let names = self.connected.is_none() || random.one_in(3);
        let wants_answer = !random.one_in(4);
        let kind = if wants_answer {
            datagram::ECHO
        } else {
            datagram::SINK
        };
        let length = if wants_answer {
            1 + random.below(MOST_BYTES)
        } else {
            random.below(MOST_BYTES)
        };
        let payload = datagram::payload(kind, length);
        let how = random.below(5);
        self.send(how, &payload, names.then(|| self.named(place)))
            .with_context(|| format!("way {how} to {place}"))?;
        self.begun.insert(place);
        *self.sent.entry(place).or_default() += length;
        if wants_answer {
            self.take(place, length)
                .with_context(|| format!("an answer from {place} to what went way {how}"))?;
        }
        Ok(true)
    }

    /// A place that the socket reaches. The address that a connect gives it is of one family, and stays.
    fn reachable(&self, random: &mut Random) -> SocketAddr {
        loop {
            let place = *random.of(self.places);
            let is_of_family = self
                .connected
                .is_none_or(|connected| connected.is_ipv4() == place.is_ipv4());
            if is_of_family && (self.is_six || place.is_ipv4()) {
                return place;
            }
        }
    }

    /// As this socket names it.
    fn named(&self, place: SocketAddr) -> SocketAddr {
        if self.is_six { mapped(place) } else { place }
    }

    /// One datagram, in one of the ways there are.
    fn send(&self, how: u64, payload: &[u8], to: Option<SocketAddr>) -> Result<()> {
        let to = to.map(socket::encode);
        let sent = match how {
            0 if to.is_none() => {
                let mut file = File::from(self.socket.try_clone().context("dup")?);
                file.write(payload).context("write")? as u64
            }
            1 if payload.len() > 1 => {
                let (first, rest) = payload.split_at(payload.len() / 2);
                let first = message::send(&self.socket, first, to.as_ref(), libc::MSG_MORE);
                first.context("a part")? + message::send(&self.socket, rest, to.as_ref(), 0)?
            }
            2 => thread::scope(|scope| {
                let other = scope.spawn(|| message::send(&self.socket, payload, to.as_ref(), 0));
                other.join().expect("sending does not panic")
            })?,
            3 => {
                // `IP_TOS` or `IPV6_TCLASS`: a control message that changes nothing.
                let (level, kind) = if self.is_six {
                    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
                } else {
                    (libc::IPPROTO_IP, libc::IP_TOS)
                };
                message::send_with(&self.socket, payload, to.as_ref(), level, kind, 0_i32)?
            }
            _ => message::send(&self.socket, payload, to.as_ref(), 0)?,
        };
        ensure!(sent == payload.len() as u64, "{sent} bytes were taken");
        Ok(())
    }

    fn take(&mut self, place: SocketAddr, length: u64) -> Result<()> {
        let mut buffer = vec![0; length as usize + 1];
        let (taken, from) = message::receive_from(&self.socket, &mut buffer, 0)?;
        ensure!(taken == length, "it has {taken} bytes");
        let (from, to) = (from.ip().to_canonical(), place.ip().to_canonical());
        ensure!(from == to, "it is from {from}");
        self.answered.insert(place);
        *self.received.entry(place).or_default() += taken;
        Ok(())
    }
}
