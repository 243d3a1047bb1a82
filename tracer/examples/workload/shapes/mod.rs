//! `shapes`: a random program of socket calls, the same for the same seed.

mod random;
mod udp;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::arguments::Mode;
use crate::session::Plan;
use crate::socket;
use crate::truth::Truth;

use random::Random;

#[derive(Args)]
pub struct Shapes {
    #[arg(long)]
    pub seed: u64,
    /// Where `serve` answers, wherever that is led
    #[arg(long, required = true, num_args = 1..)]
    pub tcp: Vec<SocketAddr>,
    /// Where `serve-datagrams` does
    #[arg(long, required = true, num_args = 1..)]
    pub udp: Vec<SocketAddr>,
}

/// Sockets that a program opens, one after the other.
const SOCKETS: u64 = 6;
/// Those of which both ends know what passed, whatever the peer does.
const MODES: [Mode; 13] = [
    Mode::Plain,
    Mode::Reset,
    Mode::Echo,
    Mode::Duplex,
    Mode::Upload,
    Mode::Download,
    Mode::HalfClose,
    Mode::HalfCloseServer,
    Mode::Sendfile,
    Mode::Splice,
    Mode::Writev,
    Mode::EarlyClose,
    Mode::LingerData,
];
const MOST_BYTES: u64 = 100_000;

/// What was done with each place, by protocol.
type Told = BTreeMap<(&'static str, SocketAddr), Truth>;

pub fn run(arguments: &Shapes) -> Result<()> {
    ensure!(
        arguments.tcp.len() + arguments.udp.len() < 1000,
        "so many places"
    );
    let mut random = Random::new(arguments.seed);
    let mut told = Told::new();
    for number in 0..=random.below(SOCKETS) {
        let shape = if random.one_in(3) {
            connection(&mut random, &arguments.tcp, &mut told)
        } else {
            udp::socket(&mut random, &arguments.udp, &mut told)
        };
        shape.with_context(|| format!("socket {number} of seed {}", arguments.seed))?;
    }
    for ((protocol, to), truth) in told {
        truth.print_with(to, serde_json::json!({ "protocol": protocol }));
    }
    Ok(())
}

fn connection(random: &mut Random, places: &[SocketAddr], told: &mut Told) -> Result<()> {
    let place = *random.of(places);
    let plan = Plan {
        to: if random.one_in(3) {
            mapped(place)
        } else {
            place
        },
        mode: *random.of(&MODES),
        bytes_out: 1 + random.below(MOST_BYTES),
        bytes_in: 1 + random.below(MOST_BYTES),
        verify: false,
    };
    plan.run(told.entry(("tcp", place)).or_default())
        .with_context(|| format!("to {place}"))
}

/// The same place for a socket of IPv6.
fn mapped(place: SocketAddr) -> SocketAddr {
    if place.is_ipv4() {
        socket::v4_mapped(place)
    } else {
        place
    }
}
